package host

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	psnet "github.com/shirou/gopsutil/v4/net"

	"github.com/pabal/pabal"
)

// metrics returns what is published, each metric with memory of its own.
func metrics(stats func() pabal.Stats) []*metric {
	return []*metric{
		{channel: "$host/cpu", read: new(cpuMetric).read},
		{channel: "$host/memory", read: readMemory},
		{channel: "$host/load", read: readLoad},
		{channel: "$host/network", read: new(networkMetric).read},
		{channel: "$host/disk", read: new(diskMetric).read},
		{channel: "$host/pabal", read: (&pabalMetric{stats: stats}).read},
	}
}

type cpuSample struct {
	numbered
	Percent float64   `json:"percent"`
	PerCore []float64 `json:"perCore"`
}

// cpuMetric keeps each core's times as they were.
type cpuMetric struct{ last []cpu.TimesStat }

func (m *cpuMetric) read(ctx context.Context, _ time.Duration) (sample, error) {
	cores, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return nil, err
	}
	s := &cpuSample{PerCore: make([]float64, len(cores))}
	var allBusy, allTotal float64
	for i, c := range cores {
		busy, total := cpuTime(c)
		if len(m.last) == len(cores) { // a core may come or go
			busyBefore, totalBefore := cpuTime(m.last[i])
			busy, total = max(0, busy-busyBefore), max(0, total-totalBefore)
		}
		s.PerCore[i] = percent(busy, total)
		allBusy, allTotal = allBusy+busy, allTotal+total
	}
	s.Percent = percent(allBusy, allTotal)
	m.last = cores
	return s, nil
}

// cpuTime returns the seconds that a core worked, and all seconds. Those of
// guests are a part of the user's.
func cpuTime(t cpu.TimesStat) (busy, total float64) {
	busy = t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
	return busy, busy + t.Idle + t.Iowait
}

type memorySample struct {
	numbered
	UsedBytes  uint64  `json:"usedBytes"`
	TotalBytes uint64  `json:"totalBytes"`
	Percent    float64 `json:"percent"`
}

func readMemory(ctx context.Context, _ time.Duration) (sample, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, err
	}
	return &memorySample{UsedBytes: m.Used, TotalBytes: m.Total, Percent: percent(float64(m.Used), float64(m.Total))}, nil
}

type loadSample struct {
	numbered
	Load1  float64 `json:"load1"`
	Load5  float64 `json:"load5"`
	Load15 float64 `json:"load15"`
}

func readLoad(ctx context.Context, _ time.Duration) (sample, error) {
	l, err := load.AvgWithContext(ctx)
	if err != nil {
		return nil, err
	}
	return &loadSample{Load1: l.Load1, Load5: l.Load5, Load15: l.Load15}, nil
}

type networkSample struct {
	numbered
	Received float64 `json:"receivedBytesPerSecond"`
	Sent     float64 `json:"sentBytesPerSecond"`
}

// networkMetric counts the interfaces that lead out of this machine.
type networkMetric struct{ received, sent counters }

func (m *networkMetric) read(ctx context.Context, elapsed time.Duration) (sample, error) {
	all, err := psnet.IOCountersWithContext(ctx, true)
	if err != nil {
		return nil, err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	loopback := make(map[string]bool)
	for _, i := range interfaces {
		loopback[i.Name] = i.Flags&net.FlagLoopback != 0
	}
	received, sent := make(counters), make(counters)
	for _, c := range all {
		if !loopback[c.Name] {
			received[c.Name], sent[c.Name] = c.BytesRecv, c.BytesSent
		}
	}
	return &networkSample{Received: m.received.rate(received, elapsed), Sent: m.sent.rate(sent, elapsed)}, nil
}

type diskSample struct {
	numbered
	UsedBytes  uint64  `json:"usedBytes"`
	TotalBytes uint64  `json:"totalBytes"`
	Percent    float64 `json:"percent"`
	Read       float64 `json:"readBytesPerSecond"`
	Written    float64 `json:"writtenBytesPerSecond"`
}

// diskMetric is how full the root file system is, and what goes through all
// disks.
type diskMetric struct{ readBytes, written counters }

func (m *diskMetric) read(ctx context.Context, elapsed time.Duration) (sample, error) {
	usage, err := disk.UsageWithContext(ctx, rootPath())
	if err != nil {
		return nil, fmt.Errorf("how full %s is: %w", rootPath(), err)
	}
	s := &diskSample{UsedBytes: usage.Used, TotalBytes: usage.Total, Percent: percent(float64(usage.Used), float64(usage.Total))}
	all, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return s, nil //nolint:nilerr // a container may see no disk: nothing goes through it then
	}
	read, written := make(counters), make(counters)
	for name, c := range all {
		if wholeDisk(name) {
			read[name], written[name] = c.ReadBytes, c.WriteBytes
		}
	}
	s.Read, s.Written = m.readBytes.rate(read, elapsed), m.written.rate(written, elapsed)
	return s, nil
}

func rootPath() string {
	if runtime.GOOS == "windows" {
		return os.Getenv("SystemDrive") + `\`
	}
	return "/"
}

// wholeDisk reports whether name is a disk, rather than a part of one, or
// something made of others whose bytes would count twice.
func wholeDisk(name string) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	for _, prefix := range []string{"loop", "ram", "zram", "dm-", "md"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	_, err := os.Stat("/sys/block/" + name)
	return err == nil
}

type pabalSample struct {
	numbered
	Goroutines int     `json:"goroutines"`
	HeapBytes  uint64  `json:"heapBytes"`
	Readers    int     `json:"readers"`
	Channels   int     `json:"channels"`
	Published  float64 `json:"publishedPerSecond"`
	Delivered  float64 `json:"deliveredPerSecond"`
}

type pabalMetric struct {
	stats                func() pabal.Stats
	published, delivered counters
}

func (m *pabalMetric) read(_ context.Context, elapsed time.Duration) (sample, error) {
	heap := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(heap) // which, unlike runtime.ReadMemStats, stops nobody
	now := m.stats()
	return &pabalSample{
		Goroutines: runtime.NumGoroutine(), HeapBytes: heap[0].Value.Uint64(), Readers: now.Sessions, Channels: now.Channels,
		Published: m.published.rate(counters{"": now.Published}, elapsed),
		Delivered: m.delivered.rate(counters{"": now.Delivered}, elapsed),
	}, nil
}

// counters are numbers that grow, by the name of what is counted.
type counters map[string]uint64

// rate returns by how much c grows a second, and makes it now. What is new, or
// began anew, counts from the next time on.
func (c *counters) rate(now counters, elapsed time.Duration) float64 {
	var grown uint64
	for name, n := range now {
		if before, ok := (*c)[name]; ok && n >= before {
			grown += n - before
		}
	}
	*c = now
	if elapsed <= 0 {
		return 0
	}
	return round(float64(grown) / elapsed.Seconds())
}

func percent(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return round(min(100, 100*part/whole))
}

// round keeps one decimal: more would only be noise.
func round(x float64) float64 { return math.Round(x*10) / 10 }
