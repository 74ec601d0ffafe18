// Package process runs langevin serve in a process of its own, for tests that kill, freeze and restart it, and measures
// what it uses.
package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running langevin serve. Its methods are safe for concurrent use.
type Server struct {
	Address string // of gRPC, host:port
	Admin   string // of the admin listener, host:port

	command *exec.Cmd
	ended   chan struct{} // closed once the process has ended
	err     error         // of its end

	mu   sync.Mutex
	last []string             // the last lines of its log
	said map[string]time.Time // when it last logged each message
}

// patience is how long a server may take until it serves.
const patience = time.Minute

// Start runs langevin serve with further arguments and returns when it serves. An empty listen picks a free port of
// this machine. The caller must end the process.
func Start(program, listen string, args ...string) (*Server, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	args = append([]string{"serve", "--listen", listen, "--admin-listen", "127.0.0.1:0", "--http-listen", "",
		"--log-format", "json"}, args...)
	ctx := context.Background() // the caller ends the process
	s := &Server{command: exec.CommandContext(ctx, program, args...), ended: make(chan struct{}),
		said: map[string]time.Time{}}
	log, err := s.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	serving := make(chan struct{})
	go s.read(log, serving)
	select {
	case <-serving:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("%s serve ended before it served: %w\n%s", program, s.err, s.Log())
	case <-time.After(patience):
		return nil, errors.Join(fmt.Errorf("%s serve: not serving after %v\n%s", program, patience, s.Log()), s.Kill())
	}
}

// read follows the log until the process ends.
func (s *Server) read(log io.Reader, serving chan<- struct{}) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		s.keep(lines.Text())
		var entry struct {
			Time         time.Time
			Msg, Address string
		}
		if json.Unmarshal(lines.Bytes(), &entry) != nil {
			continue // a panic's trace is no JSON
		}
		s.mu.Lock()
		s.said[entry.Msg] = entry.Time
		s.mu.Unlock()
		switch entry.Msg {
		case "admin listener":
			s.Admin = entry.Address
		case "serving":
			s.Address = entry.Address
			close(serving)
		}
	}
	_, _ = io.Copy(io.Discard, log) // a line was too long
	s.err = s.command.Wait()
	close(s.ended)
}

// keep remembers a line of the log, unless it tells of a call that ended well.
func (s *Server) keep(line string) {
	const most = 200
	if strings.Contains(line, `"msg":"call"`) && !strings.Contains(line, `"level":"ERROR"`) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == most {
		s.last = append(s.last[:0], s.last[1:]...)
	}
	s.last = append(s.last, line)
}

// Log returns the last lines of the log, without the lines of single calls.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.last, "\n")
}

// Said returns when the server last logged a message; the zero time if it has not.
func (s *Server) Said(message string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said[message]
}

// PID returns the process's number.
func (s *Server) PID() int { return s.command.Process.Pid }

// Kill ends the process at once, as kill -9 does, and waits for its end.
func (s *Server) Kill() error {
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.ended
	return nil
}

// Freeze stops the process without an end, until it is thawed. It returns when the kernel shows that it stands still.
func (s *Server) Freeze() error {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
		if err != nil {
			return err
		}
		if _, after, found := strings.Cut(string(state), ") "); found && strings.HasPrefix(after, "T") {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("process %d does not stop", s.PID())
}

// Thaw continues a frozen process.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

// Terminate asks the server to drain and end. It does not wait.
func (s *Server) Terminate() error { return s.signal(syscall.SIGTERM) }

// Reload asks the server to read its models' folder again.
func (s *Server) Reload() error { return s.signal(syscall.SIGHUP) }

// Wait returns the error of the process's end, which is nil for exit code 0, or an error if it has not ended in time.
func (s *Server) Wait(limit time.Duration) error {
	select {
	case <-s.ended:
		return s.err
	case <-time.After(limit):
		return fmt.Errorf("process %d has not ended after %v", s.PID(), limit)
	}
}

// Ended reports whether the process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *Server) signal(sig syscall.Signal) error {
	if err := s.command.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %v to process %d: %w", sig, s.PID(), err)
	}
	return nil
}
