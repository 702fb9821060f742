module github.com/pabal/pabal/bench

go 1.26.0

require github.com/pabal/pabal v0.0.0

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/ws v1.5.0 // indirect
)

replace github.com/pabal/pabal => ../
