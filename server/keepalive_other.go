//go:build !linux

package server

import "net"

// keepAlive returns a configuration whose connections are probed as k says.
func keepAlive(k net.KeepAliveConfig) net.ListenConfig { return net.ListenConfig{KeepAliveConfig: k} }
