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

// tolerable is the largest part of the machine's time that other work may have while a measurement runs. Above it the
// measurement counts as disturbed.
const tolerable = 0.08

// referee repeats measurements that other work on the machine disturbed, until its patience is used up.
type referee struct {
	patience  time.Duration
	others    func() time.Duration // processor time of everything except this program so far
	measured  int
	disturbed int // measurements that were accepted although they were disturbed
}

// measure calls work until nothing disturbs it, or until the patience is used up.
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

// otherWork returns the processor time of processes outside this process's group, and the time that the host took from
// the machine. It returns 0 if Linux does not report it. Peers and servers belong to the group.
func otherWork() time.Duration { return workOutside("/proc", syscall.Getpgrp()) }

func workOutside(proc string, group int) time.Duration {
	const tick = 10 * time.Millisecond // the unit of proc(5)
	all := strings.Fields(firstLine(filepath.Join(proc, "stat")))
	if len(all) < 9 {
		return 0
	}
	busy := 0
	for i, field := range all[1:9] {
		if i != 3 && i != 4 { // without idle time and waiting for a disk
			busy += integer(field)
		}
	}
	stats, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat")) // fails only for a bad pattern
	for _, path := range stats {
		busy -= ticksOf(path, group)
	}
	return time.Duration(busy) * tick
}

// ticksOf returns the time of a process and of its children that have ended, if it belongs to the group.
func ticksOf(path string, group int) (sum int) {
	line := firstLine(path)
	// The fields from the third of proc(5) on, or none if the process has ended.
	fields := strings.Fields(line[strings.LastIndex(line, ")")+1:])
	if len(fields) < 15 || integer(fields[2]) != group {
		return 0
	}
	for _, field := range fields[11:15] {
		sum += integer(field)
	}
	return sum
}

// integer returns 0 for text that is not a number.
func integer(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
