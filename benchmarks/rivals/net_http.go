// The same counter in memory, on Go's net/http: a map, a mutex and no persistence.
package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

var (
	mutex  sync.Mutex
	totals = make(map[string]int64)
	reply  = []byte("{\"ok\":true}\n")
)

func increment(w http.ResponseWriter, r *http.Request) {
	key := r.PostFormValue("key")
	value, err := strconv.ParseInt(r.PostFormValue("value"), 10, 64)
	if err != nil || key == "" {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, "{\"error\":\"key or value is wrong\"}\n")
		return
	}
	mutex.Lock()
	totals[key] += value
	mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Write(reply)
}

func main() {
	http.HandleFunc("/increment", increment)
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
