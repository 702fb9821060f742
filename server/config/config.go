// Package config says how a node of Pabal is to run, and reads that from its
// defaults, a YAML file, the environment and the command line: what comes
// later wins.
//
// A setting has one name everywhere. The field MaxMessage is max-message in
// the file, PABAL_MAX_MESSAGE in the environment and --max-message on the
// command line. Its tags are its documentation:
//
//	name     what it is called
//	default  what it is if nothing else says; none means empty, 0 or false
//	zero     what 0 means; without it 0 is refused, as what is negative always is
//	enum     which words it may be
//	help     what it does
//
// What is kept and allowed may differ by channel: a file has [Namespaces] for
// that.
//
// A secret is never a value here, only the name of a file that holds it: what
// is printed, logged or shown by ps tells none.
//
// Whatever is misspelt or of the wrong type is an error that says where it
// stands and what to do: nothing is ever ignored.
package config

import "time"

// Config is how a node runs. [Load] makes one that is checked; its zero value
// is not of use, [Default] is.
type Config struct {
	Serving  Serving  `embed:"" group:"Where it listens"`
	Access   Access   `embed:"" group:"Who may use it"`
	Tokens   Tokens   `embed:"" group:"Which tokens it takes"`
	Delivery Delivery `embed:"" group:"How it delivers"`
	Messages Messages `embed:"" group:"Limits on what is published"`
	Readers  Readers  `embed:"" group:"Limits on who reads"`
	Upstream Upstream `embed:"" group:"Limits on commands, presence and calls"`
	Storage  Storage  `embed:"" group:"Where it is kept"`
	Keep     Keep     `embed:"" group:"What is kept of a channel, unless a namespace of the file says otherwise"`
	Policy   Policy   `embed:"" group:"What a channel is for, unless a namespace of the file says otherwise"`
	Log      Log      `embed:"" group:"What it says of itself"`

	Namespaces Namespaces `kong:"-"` // in a file only
}

// Serving is where a node listens, and how it ends.
type Serving struct {
	Listen      []string      `name:"listen" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Addresses to listen on; port 0 lets the system choose one. 0.0.0.0 is all of IPv4, [::] all of IPv6, no host both. Other than loopback needs keys for tokens, rights without (anonymous), or --open."`
	TLSCert     string        `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; serves HTTPS. A changed file is taken up by itself, and at SIGHUP."`
	TLSKey      string        `name:"tls-key" placeholder:"FILE" help:"Private key in PEM, of the certificate."`
	WebSocketH2 string        `name:"websocket-h2" default:"auto" enum:"auto,on,off" help:"Whether browsers are told that they may open a WebSocket on an HTTP/2 connection (RFC 8441), which a proxy before this node must then relay: auto is on if it works when the node starts."`
	Drain       time.Duration `name:"drain" default:"10s" zero:"ends at once" help:"How long readers have to leave after SIGTERM."`
}

// Access is who may use a node.
type Access struct {
	Open           bool     `name:"open" help:"Let anyone who reaches this node do everything, without a token. By itself it is on where only this machine reaches the node, and neither keys nor anonymous are given."`
	AllowOrigin    []Origin `name:"allow-origin" placeholder:"ORIGIN" help:"Origins whose pages may read and publish, as https://example.com; * is any, without credentials."`
	TrustedProxies []Prefix `name:"trusted-proxies" placeholder:"CIDR" help:"Proxies whose Forwarded or X-Forwarded-For is believed."`
	RequestRate    int      `name:"request-rate" default:"1000" zero:"no limit" help:"Requests a second from one client address, with bursts of twice that; not counted on loopback."`
	MetricsFrom    []Prefix `name:"metrics-from" placeholder:"CIDR" help:"Addresses that may read /metrics, beside this machine."`
	Dev            string   `name:"dev" default:"auto" enum:"auto,on,off" help:"Development mode, for who is on this machine: /trouble, through which this node is read as over a bad network, and what the demos need. auto is on where the node listens on loopback only, and has neither keys for tokens nor trusted-proxies; on needs loopback."`
}

// Tokens are which tokens a node takes. With a key, who has no token may only
// do what [Policy] says of anonymous.
type Tokens struct {
	SecretFile []string      `name:"token-secret-file" placeholder:"FILE" help:"Files that each hold a secret of 32 bytes or more, for tokens signed with HS256."`
	Key        []string      `name:"token-key" placeholder:"PEM" help:"Public keys in PEM themselves, for tokens signed with RS256, ES256 or EdDSA."`
	KeyFile    []string      `name:"token-key-file" placeholder:"FILE" help:"Files with public keys, for tokens signed with RS256, ES256 or EdDSA: PEM, of a key or a certificate, or a JWKS."`
	JWKSURL    URL           `name:"token-jwks-url" placeholder:"URL" help:"Where the keys that sign tokens are published as a JWKS, by HTTPS, or HTTP on this machine; it is read again when they change."`
	Audience   string        `name:"token-audience" placeholder:"TEXT" help:"What a token must name as its audience (aud); without it, one that names any is refused."`
	Issuer     string        `name:"token-issuer" placeholder:"TEXT" help:"What a token must name as its issuer (iss)."`
	Leeway     time.Duration `name:"token-leeway" default:"0s" zero:"none" help:"How far the clock of who makes tokens may be off."`
	Forever    bool          `name:"token-forever" help:"Take tokens that never expire (without exp) too."`
	Cookie     string        `name:"token-cookie" placeholder:"NAME" help:"Cookie that may hold a token; without a name none is looked at."`
	Bytes      Size          `name:"token-bytes" default:"8KiB" help:"Bytes of a token."`
}

// Given reports whether there are keys, so that there can be tokens.
func (t *Tokens) Given() bool {
	return len(t.SecretFile) > 0 || len(t.Key) > 0 || len(t.KeyFile) > 0 || t.JWKSURL != ""
}

// Delivery is how entries go out.
type Delivery struct {
	Heartbeat    time.Duration `name:"heartbeat" default:"15s" help:"How often a stream without entries sends a sign of life."`
	WriteTimeout time.Duration `name:"write-timeout" default:"15s" help:"How long a reader may take nothing before it is closed."`
	RotateAfter  time.Duration `name:"rotate-after" default:"1h" zero:"never" help:"After how long a stream is ended so that its client begins a new one, give or take a tenth."`
	RotateBytes  Size          `name:"rotate-bytes" default:"64MiB" zero:"never" help:"After how many bytes a stream is ended so that its client begins a new one."`
	SendBuffer   Size          `name:"send-buffer" default:"64KiB" help:"About how many bytes the kernel may hold for a reader that takes nothing, where a loop serves it; 4KiB to 1GiB."`
	Pump         string        `name:"pump" default:"auto" enum:"auto,loop,goroutine" help:"What serves streams, WebSockets and waiting long polls: loop serves all of a core from one goroutine, over plain HTTP/1.1 on Linux; goroutine has at least one for each; auto is loop where it can be."`
	LongPollMax  time.Duration `name:"long-poll-max" default:"30s" help:"How long a long poll may ask to wait."`
	ParkAfter    time.Duration `name:"park-after" default:"1s" zero:"never" help:"After how long a long poll that waits is kept by a loop, where it needs little memory, and more CPU to be answered."`
}

// Messages bounds what is published.
type Messages struct {
	MaxMessage    Size `name:"max-message" default:"1MiB" help:"Bytes of one message's data."`
	FieldBytes    Size `name:"field-bytes" default:"256" help:"Bytes of an ID, a type, a key or a content type."`
	BatchMessages int  `name:"batch-messages" default:"1000" help:"Messages of one publish."`
	BodyBytes     Size `name:"body-bytes" default:"256MiB" help:"Bytes of all bodies that are being received at once; a further one is refused with 503. As much again for WebSocket messages that have begun to arrive; one that goes over it is closed with 1013."`
	BatchBytes    Size `name:"batch-bytes" default:"0" zero:"1MiB, or max-message if that is more" help:"Bytes of one publish, and of one answer or write."`
	ChannelBytes  Size `name:"channel-bytes" default:"255" help:"Bytes of a channel's name."`
}

// Readers bounds who reads, and what a node holds for them.
type Readers struct {
	Sessions            int           `name:"sessions" default:"100000" help:"Readers on this node."`
	SessionsPerAddress  int           `name:"sessions-per-address" default:"1000" zero:"no limit" help:"Readers from one client address; not counted on loopback."`
	Channels            int           `name:"channels" default:"100000" help:"Channels that this node follows; and channels that the memory broker keeps anything of."`
	ChannelsPerResponse int           `name:"channels-per-response" default:"100" help:"Channels that one response reads, 100 at most."`
	WindowEntries       int           `name:"window-entries" default:"1000" help:"Newest entries of a followed channel that readers share in memory."`
	WindowBytes         Size          `name:"window-bytes" default:"4MiB" help:"Bytes of these entries."`
	Reads               int           `name:"reads" default:"64" help:"Reads of the broker at once, for those behind the window."`
	TailCheck           time.Duration `name:"tail-check" default:"5s" help:"How often a followed channel is compared with the end of its log, where the broker may lose its news."`
	TailLinger          time.Duration `name:"tail-linger" default:"30s" help:"How long a channel stays followed after its last reader."`
}

// Upstream bounds what readers do beside reading.
type Upstream struct {
	CommandRate        int           `name:"command-rate" default:"1000" zero:"no limit" help:"Commands a second on one WebSocket, with bursts of twice that; not counted on loopback."`
	Members            int           `name:"members" default:"10000" help:"Connections present in one channel."`
	PresenceLease      time.Duration `name:"presence-lease" default:"30s" help:"After how long without a sign of life of its node a connection is no longer present."`
	PresenceLinger     time.Duration `name:"presence-linger" default:"5s" help:"How long a connection stays present after its stream broke off, so that it can come back."`
	Calls              int           `name:"calls" default:"10000" help:"Calls that this node waits for at once."`
	CallsPerConnection int           `name:"calls-per-connection" default:"16" help:"Calls of one connection that are waited for at once."`
}

// Storage is the broker, and its bounds.
type Storage struct {
	Broker         string        `name:"broker" default:"disk" enum:"disk,memory" help:"What keeps the logs: disk, where they outlive a restart, or memory."`
	Data           string        `name:"data" default:"./pabal-data" placeholder:"DIR" help:"Directory of the disk broker, of one process at a time; it is made if it is not there."`
	SyncInterval   time.Duration `name:"sync-interval" default:"1s" help:"How long after a publish the disk broker writes it through at the latest, with sync interval."`
	MinFree        Size          `name:"min-free" default:"64MiB" zero:"no limit" help:"Bytes of the file system that stay free: below, the disk broker refuses publishes with 507."`
	CacheBytes     Size          `name:"cache-bytes" default:"128MiB" help:"Bytes of memory in which the disk broker holds parts of its files, and recent entries; half of it for each."`
	StoredChannels int           `name:"stored-channels" default:"10000000" help:"Channels that the disk broker keeps anything of."`
	MemoryBytes    Size          `name:"memory-bytes" default:"1GiB" help:"Bytes that the memory broker keeps of all channels together, each entry with 192 bytes beside its own; a publish that would go over it is refused."`
}

// Keep is what is kept of a channel: of all of a node, or of a [Namespace].
type Keep struct {
	Keep        string        `name:"keep" default:"all" enum:"all,latest" help:"all keeps entries up to the limits below; latest keeps each key's last entry besides."`
	KeepEntries int           `name:"keep-entries" default:"10000" zero:"no limit" help:"Entries kept of a channel."`
	KeepBytes   Size          `name:"keep-bytes" default:"16MiB" zero:"no limit" help:"Bytes kept of a channel; its last entry is kept whatever its size."`
	KeepAge     time.Duration `name:"keep-age" default:"24h" zero:"no limit" help:"Age up to which entries are kept."`
	KeepKeys    int           `name:"keep-keys" default:"10000" help:"Keys of a channel whose last entry is kept, with keep latest."`
	IDWindow    time.Duration `name:"id-window" default:"10m" help:"How long a repeated message ID is known."`
	IDs         int           `name:"ids" default:"100000" help:"How many message IDs are known of a namespace; all channels that are in none are one together."`
	Sync        string        `name:"sync" default:"always" enum:"always,interval,never" help:"When the disk broker writes a publish through, safe from a crash of the machine: always, before it is answered or read; interval, within sync-interval; never, when the system sees fit."`
	CloseAfter  time.Duration `name:"close-after" default:"0" zero:"never" help:"After how long without a publish a channel is closed."`
}

// Policy is what may be done with a channel: with all of a node, or those of a
// [Namespace].
type Policy struct {
	Anonymous      []string      `name:"anonymous" default:"none" enum:"none,all,read,publish,call,see" help:"What may be done without a token: none, all, or some of read, publish, call and see (who is present). Pabal's own channels, whose names begin with $, take it only from a namespace that names them."`
	Presence       string        `name:"presence" default:"on" enum:"on,counts,off" help:"Whether it is known who is in a channel: on; counts, how many but not who; or off."`
	CallURL        URL           `name:"call-url" placeholder:"URL" help:"Where calls are answered, by POST; without it who reads $calls/… of the channel answers."`
	CallSecretFile string        `name:"call-secret-file" placeholder:"FILE" help:"File that holds the secret with which the requests to call-url are signed."`
	CallTimeout    time.Duration `name:"call-timeout" default:"10s" help:"How long a call may take."`
}

// Log is what a node says of itself.
type Log struct {
	HostMetrics bool   `name:"host-metrics" default:"true" help:"Publish this host's CPU, memory, load, network and disk to $host/…, twice a second. Off with --open on other than loopback unless asked for."`
	Level       string `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: debug, info, warn or error."`
	Format      string `name:"log-format" default:"text" enum:"text,json" help:"How log lines look: text or json."`
}

// Default returns the configuration of a node that nobody has configured.
func Default() Config {
	var c Config
	from := make(Provenance)
	for _, s := range Settings() {
		if err := s.set(&c, s.defaults()); err != nil {
			panic(err) // a tag in this file is wrong; its test says so too
		}
		from[s.Name] = byDefault
	}
	c.settle(from)
	return c
}
