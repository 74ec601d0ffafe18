package web

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
)

// answer answers a call of the Connect protocol with one message each way, in JSON or in protobuf.
func (p *procedures) answer(w http.ResponseWriter, r *http.Request) {
	m := p.methods[r.URL.Path]
	// ServeHTTP has read the media type before.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	timeout, err := connectTimeout(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if m.request == nil { // the server says that there is no such method
		p.fail(w, r, p.calls.turnAway(r, r.URL.Path, w.Header()))
		return
	}
	request := m.request.New().Interface()
	if err := p.read(r, media, request); err != nil {
		p.fail(w, r, err)
		return
	}
	var answer []byte
	err = p.calls.call(r, r.URL.Path, request, timeout, w.Header(), func(message []byte) error {
		answer = bytes.Clone(message)
		return nil
	})
	if err == nil && media == "application/json" {
		answer, err = p.json.translate(answer, m.response.New().Interface())
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", media)
	// The write fails only if the client has left.
	_, _ = w.Write(answer)
}

// read reads the body of a request into a message.
func (p *procedures) read(r *http.Request, media string, m proto.Message) error {
	most := p.calls.maxMessageBytes
	part := p.room.open()
	defer part.release()
	if media == "application/json" {
		body, err := unpacked(r, p.body)
		if err != nil {
			return err
		}
		return readJSON(&source{from: body, portion: part, ctx: r.Context()}, m, most)
	}
	body, err := unpacked(r, int64(most))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(&source{from: &limited{body, int64(most), int64(most)}, portion: part, ctx: r.Context()})
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(data, m); err != nil {
		name := m.ProtoReflect().Descriptor().Name()
		return invalid("", "the request is not a protobuf message %s: %v", name, plain(err))
	}
	return nil
}

// connectTimeout returns the deadline of a call of the Connect protocol; 0 for none.
func connectTimeout(r *http.Request) (time.Duration, error) {
	const header, mostDigits = "Connect-Timeout-Ms", 10
	text := r.Header.Get(header)
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 1 || len(text) > mostDigits {
		return 0, invalid(header, "%s is %s: want a whole number of milliseconds, at least 1 and of at most %d digits",
			header, clipped(text), mostDigits)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
