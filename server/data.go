package server

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/disk"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

type (
	// DataProgress says how far a tool of the data directory is.
	DataProgress = disk.Progress
	// DataProblems is what a tool found wrong.
	DataProblems = disk.Problems
	// DataChecked is what [Data.Check] has read.
	DataChecked = disk.Checked
	// DataExported is what [Data.Export] has written.
	DataExported = disk.Exported
	// DataImported is what [Data.Import] has kept.
	DataImported = disk.Imported
	// DataCompacted is what [Data.Compact] came to.
	DataCompacted = disk.Compacted
)

// Data is the data directory of a server that is stopped.
type Data struct {
	config disk.Config
	tell   func(DataProgress)
}

// NewData returns the data directory that cfg names, with the rules that its
// channels have. How far something is with it is said to tell.
func NewData(cfg config.Config, log *slog.Logger, tell func(DataProgress)) (*Data, error) {
	if cfg.Storage.Broker != "disk" {
		return nil, errors.New("with broker memory there is no data directory; say --broker disk, or leave it out")
	}
	rules, err := newRules(cfg)
	if err != nil {
		return nil, err
	}
	return &Data{diskConfig(cfg, rules, log), tell}, nil
}

// diskConfig returns what cfg says of the disk broker.
func diskConfig(cfg config.Config, rules *rules, log *slog.Logger) disk.Config {
	return disk.Config{
		Dir:          cfg.Storage.Data,
		Rules:        rules.of,
		Channels:     cfg.Storage.StoredChannels,
		Cache:        int(cfg.Storage.CacheBytes),
		SyncInterval: cfg.Storage.SyncInterval,
		MinFree:      orNone(int(cfg.Storage.MinFree)),
		Log:          log,
	}
}

// Check reads all of it, and changes nothing: see [disk.Check].
func (d *Data) Check(ctx context.Context) (DataChecked, error) {
	return disk.Check(ctx, d.config, d.tell)
}

// Export writes it to out, or the channels that one of patterns matches: see
// [disk.Export].
func (d *Data) Export(ctx context.Context, out io.Writer, patterns []string) (DataExported, error) {
	match, err := matcher(patterns)
	if err != nil {
		return DataExported{}, err
	}
	return disk.Export(ctx, d.config, out, match, d.tell)
}

// CheckPatterns reports a pattern that no channel matches.
func CheckPatterns(patterns []string) error {
	_, err := matcher(patterns)
	return err
}

// matcher returns what matches one of patterns; nil, which is all, if there is
// none.
func matcher(patterns []string) (func(pabal.Channel) bool, error) {
	var all []pattern.Pattern
	for _, text := range patterns {
		var p pattern.Pattern
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return func(ch pabal.Channel) bool {
		for _, p := range all {
			if p.Match(ch) {
				return true
			}
		}
		return false
	}, nil
}

// Import reads what Export has written, or messages, from in: see
// [disk.Import].
func (d *Data) Import(ctx context.Context, in io.Reader) (DataImported, error) {
	return disk.Import(ctx, d.config, in, d.tell)
}

// Compact makes its files as small as they can be: see [disk.Compact].
func (d *Data) Compact(ctx context.Context) (DataCompacted, error) {
	return disk.Compact(ctx, d.config, d.tell)
}
