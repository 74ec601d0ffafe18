package main

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A measurement counts as disturbed when other work had more than this part of the machine's time while it ran.
const tolerable = 0.08

// referee lets measurements be made again that other work on the machine disturbed, for as long as its patience lasts.
type referee struct {
	patience  time.Duration
	others    func() time.Duration // processor time that everything but this program has had so far
	measured  int
	disturbed int // of those, how many were disturbed and had to be taken all the same
}

// measure returns what work found while nothing else ran, or in the end while something did.
func (r *referee) measure(ctx context.Context, work func() error) error {
	for {
		start, before := time.Now(), r.others()
		if err := work(); err != nil {
			return err
		}
		took := time.Since(start)
		share := float64(r.others()-before) / float64(took*time.Duration(runtime.NumCPU()))
		if share <= tolerable || r.patience <= 0 {
			r.measured++
			if share > tolerable {
				r.disturbed++
			}
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		r.patience -= time.Since(start)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// otherWork is the processor time that processes outside this one's group have had, and what the host took from the
// machine; 0 where Linux does not tell. Peers and servers belong to the group.
func otherWork() time.Duration { return workOutside("/proc", syscall.Getpgrp()) }

func workOutside(proc string, group int) time.Duration {
	const tick = 10 * time.Millisecond // the unit of proc(5)
	all := strings.Fields(firstLine(filepath.Join(proc, "stat")))
	if len(all) < 9 {
		return 0
	}
	busy := 0
	for i, field := range all[1:9] {
		if i != 3 && i != 4 { // neither idle nor waiting for a disk
			busy += integer(field)
		}
	}
	stats, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat")) // fails for a bad pattern only
	for _, path := range stats {
		busy -= ticksOf(path, group)
	}
	return time.Duration(busy) * tick
}

// ticksOf is the time of a process and of its children that have ended, if it belongs to the group.
func ticksOf(path string, group int) (sum int) {
	line := firstLine(path)
	fields := strings.Fields(line[strings.LastIndex(line, ")")+1:]) // from the third of proc(5) on; none if the process has ended
	if len(fields) < 15 || integer(fields[2]) != group {
		return 0
	}
	for _, field := range fields[11:15] {
		sum += integer(field)
	}
	return sum
}

// integer is 0 for what is no number.
func integer(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
