/* Streams, events, and capture into graphs. */

#define _GNU_SOURCE
#include "driver.h"
#include <time.h>

typedef struct { double recorded; int captured; } Event; /* in milliseconds; 0 before */

static Stream *capturing;

static int legacy(const Stream *stream) { return (size_t)stream <= LEGACY; }
static int made(const Stream *stream) { return (size_t)stream > PER_THREAD; }
static int known(const Stream *stream) { return !made(stream) || stream->alive; }

int disturbed(int result) {
    if (!capturing) return OK;
    capturing->status = SPOILT;
    return result;
}

int queue(Stream *stream, const Node *node) {
    if (outside() || !known(stream)) return outside() ? outside() : INVALID_HANDLE;
    if (capturing && stream != capturing) return disturbed(legacy(stream) ? CAPTURE_IMPLICIT : CAPTURE_UNSUPPORTED);
    if (!capturing) return execute(node);
    if (capturing->status == SPOILT) return CAPTURE_INVALIDATED;
    Graph *graph = capturing->graph;
    graph->nodes = realloc(graph->nodes, (graph->count + 1) * sizeof *node);
    graph->nodes[graph->count++] = *node;
    return OK;
}

int cuStreamCreate(Stream **stream, u32 flags) {
    *stream = calloc(1, sizeof **stream);
    (*stream)->alive = 1;
    (*stream)->flags = flags;
    return tell(OK, "cuStreamCreate stream=%p flags=%u", *stream, flags);
}
int cuStreamDestroy(Stream *stream) { /* its handle is not given out again */
    int result = made(stream) && stream->alive ? OK : INVALID_HANDLE;
    if (!result) stream->alive = 0;
    return tell(result, "cuStreamDestroy stream=%p", stream);
}
int cuStreamGetFlags(Stream *stream, u32 *flags) { return *flags = made(stream) ? stream->flags : 0, OK; }
int cuStreamSynchronize(Stream *stream) {
    int result = disturbed(CAPTURE_UNSUPPORTED);
    return tell(known(stream) ? result : INVALID_HANDLE, "cuStreamSynchronize stream=%p", stream);
}

int cuEventCreate(Event **event, u32 flags) {
    *event = calloc(1, sizeof **event);
    return tell(OK, "cuEventCreate event=%p", *event);
}
int cuEventDestroy(Event *event) { return tell(OK, "cuEventDestroy event=%p", event); }
int cuEventRecord(Event *event, Stream *stream) {
    struct timespec now;
    int result = queue(stream, &(Node){0});
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!result) *event = (Event){now.tv_sec * 1e3 + now.tv_nsec / 1e6, capturing != NULL};
    return tell(result, "cuEventRecord event=%p stream=%p", event, stream);
}
int cuStreamWaitEvent(Stream *stream, Event *event, u32 flags) {
    return tell(queue(stream, &(Node){0}), "cuStreamWaitEvent stream=%p event=%p", stream, event);
}
int cuEventQuery(Event *event) { return tell(event->captured ? CAPTURED_EVENT : OK, "cuEventQuery event=%p", event); }
int cuEventSynchronize(Event *event) {
    int result = disturbed(CAPTURE_UNSUPPORTED);
    return tell(event->captured ? CAPTURED_EVENT : result, "cuEventSynchronize event=%p", event);
}
int cuEventElapsedTime(float *milliseconds, Event *start, Event *end) {
    int result = start->captured || end->captured || !start->recorded || !end->recorded ? INVALID_HANDLE : OK;
    *milliseconds = result ? 0 : end->recorded - start->recorded;
    return tell(result, "cuEventElapsedTime start=%p end=%p", start, end);
}

int cuStreamBeginCapture(Stream *stream, int mode) {
    int result = !known(stream) ? INVALID_HANDLE : !made(stream) || capturing ? CAPTURE_UNSUPPORTED : OK;
    if (!result) {
        capturing = stream;
        stream->status = CAPTURING;
        stream->graph = calloc(1, sizeof *stream->graph);
    }
    return tell(result, "cuStreamBeginCapture stream=%p mode=%d", stream, mode);
}
int cuStreamEndCapture(Stream *stream, Graph **graph) {
    *graph = NULL;
    if (!capturing || stream != capturing) return tell(CAPTURE_UNMATCHED, "cuStreamEndCapture stream=%p", stream);
    int result = stream->status == SPOILT ? CAPTURE_INVALIDATED : OK;
    if (!result) *graph = stream->graph;
    stream->status = AT_REST;
    capturing = NULL;
    return tell(result, "cuStreamEndCapture stream=%p nodes=%zu", stream, stream->graph->count);
}
int cuStreamIsCapturing(Stream *stream, u32 *status) {
    *status = made(stream) ? stream->status : AT_REST;
    return legacy(stream) ? disturbed(CAPTURE_IMPLICIT) : OK;
}

int cuGraphInstantiateWithFlags(Graph **ready, Graph *graph, unsigned long long flags) {
    *ready = malloc(sizeof **ready);
    **ready = (Graph){graph->count, malloc((graph->count + 1) * sizeof *graph->nodes)};
    memcpy((*ready)->nodes, graph->nodes, graph->count * sizeof *graph->nodes);
    return tell(OK, "cuGraphInstantiate nodes=%zu", graph->count);
}
int cuGraphUpload(Graph *ready, Stream *stream) { return tell(OK, "cuGraphUpload nodes=%zu", ready->count); }
int cuGraphLaunch(Graph *ready, Stream *stream) {
    int result = known(stream) ? disturbed(CAPTURE_UNSUPPORTED) : INVALID_HANDLE;
    size_t copied = 0;
    for (size_t i = 0; i < ready->count && !result; i++)
        if (!(result = execute(&ready->nodes[i]))) copied += ready->nodes[i].bytes;
    return tell(result, "cuGraphLaunch nodes=%zu bytes=%zu stream=%p", ready->count, copied, stream);
}
static int destroy(const char *call, Graph *graph) {
    free(graph->nodes);
    free(graph);
    return tell(OK, "%s", call);
}
int cuGraphDestroy(Graph *graph) { return destroy("cuGraphDestroy", graph); }
int cuGraphExecDestroy(Graph *ready) { return destroy("cuGraphExecDestroy", ready); }
