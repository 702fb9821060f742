package server

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pabal/pabal"
)

// hubMetrics are the metrics of a hub and of what keeps its logs, read from
// them when they are asked for.
type hubMetrics struct {
	stats   func() pabal.Stats
	storage func() error // nil: it does not fail
}

var (
	readersMetric   = prometheus.NewDesc("pabal_readers", "Readers on this node, now.", nil, nil)
	channelsMetric  = prometheus.NewDesc("pabal_channels", "Channels followed by this node, now: those being read, and those read up to tail-linger ago.", nil, nil)
	publishedMetric = prometheus.NewDesc("pabal_published_total", "Messages published through this node, without its own in $host/.", nil, nil)
	storageMetric   = prometheus.NewDesc("pabal_storage_ok", "Whether what keeps the logs can keep and read all: 1, or 0.", nil, nil)
	fullMetric      = prometheus.NewDesc("pabal_storage_full", "Whether what keeps the logs has no room to keep more: 1, or 0.", nil, nil)
	deliveredMetric = prometheus.NewDesc("pabal_delivered_total", "Entries given to readers of this node, those in $host/ too.", nil, nil)
)

func (m hubMetrics) Describe(descs chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, descs) }

func (m hubMetrics) Collect(metrics chan<- prometheus.Metric) {
	s := m.stats()
	metrics <- prometheus.MustNewConstMetric(readersMetric, prometheus.GaugeValue, float64(s.Sessions))
	metrics <- prometheus.MustNewConstMetric(channelsMetric, prometheus.GaugeValue, float64(s.Channels))
	metrics <- prometheus.MustNewConstMetric(publishedMetric, prometheus.CounterValue, float64(s.Published))
	metrics <- prometheus.MustNewConstMetric(deliveredMetric, prometheus.CounterValue, float64(s.Delivered))
	if m.storage == nil {
		return
	}
	err := m.storage()
	storage, ok := errors.AsType[*pabal.StorageError](err)
	metrics <- prometheus.MustNewConstMetric(storageMetric, prometheus.GaugeValue, oneIf(err == nil))
	metrics <- prometheus.MustNewConstMetric(fullMetric, prometheus.GaugeValue, oneIf(ok && storage.Full))
}

func oneIf(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// newMetrics answers /metrics in the Prometheus format: what the hub does, how
// its storage is, the Go runtime and this process.
func newMetrics(stats func() pabal.Stats, storage func() error, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(hubMetrics{stats, storage}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	return readOnly(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}))
}
