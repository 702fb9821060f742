// Package crowd is many viewers of one channel. Each really reads, over a
// connection of its own, by one of four techniques, and checks that it gets
// every entry once and in order.
//
//	c := crowd.New("demo/match")
//	c.Set(crowd.Target{Address: "127.0.0.1:8080"}, "sse", 2000)
//	c.Status() // how many there are, how late they get to know, what they lost
//	c.Close()  // all leave
//
// A viewer is one goroutine with about 2 KiB of buffers; both ends of its
// connection being in this process, it takes two files.
package crowd
