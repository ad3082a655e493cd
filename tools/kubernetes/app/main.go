// The application that the tests deploy: it says which revision answers, and stops in the way that it is told to.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func number(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

// get asks an address once and prints what it says: for who stands within the cluster.
func get(address string) {
	client := http.Client{Timeout: 3 * time.Second}
	answer, err := client.Get(address)
	if err != nil {
		os.Exit(1)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(os.Stdout, answer.Body)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "get" {
		get(os.Args[2])
		return
	}
	revision, style := os.Getenv("REVISION"), os.Getenv("STYLE") // polite, rude or abrupt
	failing, slow := number("FAIL_PERCENT", 0), time.Duration(number("SLOW_MS", 0))*time.Millisecond
	var draining atomic.Bool
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-revision", revision)
		if draining.Load() && style != "rude" {
			w.Header().Set("Connection", "close")
		}
		time.Sleep(slow)
		if r.URL.Path == "/lingering" {
			time.Sleep(2 * time.Second)
		}
		if failing > 0 && rand.Intn(100) < failing {
			w.WriteHeader(http.StatusInternalServerError)
		}
		if r.Method == http.MethodPost {
			sent, _ := io.ReadAll(r.Body) // whole: once an answer has begun, no more is read
			_, _ = w.Write(sent)
			return
		}
		fmt.Fprintln(w, revision)
	}
	mux.HandleFunc("/", answer)
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("UNWELL") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, "ok")
	})
	if code := number("EXIT", -1); code >= 0 {
		fmt.Println("cannot go on: exiting")
		os.Exit(code)
	}
	server := &http.Server{Addr: ":" + strconv.Itoa(number("PORT", 8000)), Handler: mux}
	stop, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		defer close(done)
		<-stop
		draining.Store(true)
		if style == "abrupt" {
			os.Exit(0)
		}
		time.Sleep(time.Duration(number("DRAIN_MS", 3000)) * time.Millisecond)
		_ = server.Shutdown(context.Background())
	}()
	fmt.Println("serving", revision)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Println(err)
		os.Exit(1)
	}
	<-done
}
