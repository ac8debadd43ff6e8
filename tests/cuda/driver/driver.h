/* A stand-in for NVIDIA's driver, libcuda.so.1, on machines without a GPU: everything but the kernels' arithmetic.

   What numba-cuda, cuda-bindings and cuda-core ask of a driver is answered as by a device of compute capability 9.0:
   memory and copies (memory.c), streams, events, capture into graphs (streams.c), code and launches (code.c), the rest
   (driver.c). A launch is checked and written down. Nothing is computed: memory holds the zeros that it begins with and
   what was copied there. Each call is a line in the file that MINICAE_DRIVER_LOG names: the call, its arguments, and the
   error where there is one. Functions are called as in NVIDIA's manual, without the _v2 that some names end in.

       cc -shared -fPIC -o FOLDER/libcuda.so.1 *.c -ldl
       LD_LIBRARY_PATH=FOLDER MINICAE_DRIVER_LOG=FILE python ...

   Addresses of the device are no addresses of the host, and are never given out twice. While a stream captures, what
   waits, allocates, frees or is queued anywhere else is refused and spoils the capture; a driver refuses some of this in
   a stricter mode only. One call and one capture at a time; all work is done when its call returns. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK, INVALID_VALUE, OUT_OF_MEMORY, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201,
       INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, OUT_OF_RESOURCES = 701, NOT_SUPPORTED = 801,
       CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_UNMATCHED = 903, CAPTURE_IMPLICIT = 906,
       CAPTURED_EVENT = 907 };
enum { BLOCK_THREADS = 1024, MULTIPROCESSOR_THREADS = 2048, REGISTERS = 65536, SHARED = 49152, SPANS = 16, PARAMETERS = 128 };

typedef unsigned int u32;
typedef unsigned long long Address;
typedef struct { Address at; size_t bytes; } Span;
typedef struct { char *name; int count, sizes[PARAMETERS], threads, shared, registers; } Kernel;
typedef struct { Kernel *kernel; Address to, from; size_t bytes; int value, count; Span spans[SPANS]; } Node;
typedef struct { size_t count; Node *nodes; } Graph;
typedef struct { u32 alive, flags; enum { AT_REST, CAPTURING, SPOILT } status; Graph *graph; } Stream;
enum { LEGACY = 1, PER_THREAD = 2 }; /* streams that are there without being made; NULL is LEGACY too */

int tell(int result, const char *format, ...); /* writes the line of a call; gives its result back */
int outside(void);                             /* the error of a thread that has no context; OK where it has */
int on_device(Address at);                     /* whether an address is one of the device */
int allocated(Address at, size_t bytes);       /* whether a span lies inside one allocation, of the device or pinned */
int execute(const Node *node);                 /* does one piece of work */
int queue(Stream *stream, const Node *node);   /* the same, or keeps it where the stream captures */
int disturbed(int result);                     /* what a capture does not survive: the error; OK where nothing captures */
