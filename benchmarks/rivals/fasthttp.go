// The same counter in memory, on fasthttp: a map, a mutex and no persistence.
package main

import (
	"os"
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"
)

var (
	mutex sync.Mutex
	// Pointers, because a lookup by string(key) copies nothing, while an assignment copies the key.
	totals = make(map[string]*int64)
	reply  = []byte("{\"ok\":true}\n")
)

func increment(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	if !ctx.IsPost() || string(ctx.Path()) != "/increment" {
		ctx.SetStatusCode(fasthttp.StatusNotFound)
		ctx.SetBodyString("{\"error\":\"not found\"}\n")
		return
	}
	form := ctx.PostArgs()
	key := form.Peek("key")
	value, err := strconv.ParseInt(string(form.Peek("value")), 10, 64)
	if err != nil || len(key) == 0 {
		ctx.SetStatusCode(fasthttp.StatusBadRequest)
		ctx.SetBodyString("{\"error\":\"key or value is wrong\"}\n")
		return
	}
	mutex.Lock()
	total, known := totals[string(key)]
	if !known {
		total = new(int64)
		totals[string(key)] = total
	}
	*total += value
	mutex.Unlock()
	ctx.SetBody(reply)
}

func main() {
	panic(fasthttp.ListenAndServe("127.0.0.1:"+os.Args[1], increment))
}
