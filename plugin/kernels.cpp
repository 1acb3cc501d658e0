// Every kernel, compiled for the CPU. Their callers are in vsdfvi/kernels/, which opens this library by its path.
#include "../vsdfvi/kernels/exemplar.h"
#include "../vsdfvi/kernels/laplace.h"
#include "../vsdfvi/kernels/paper.h"
#include "../vsdfvi/kernels/portable.h"
#include "../vsdfvi/kernels/regions.h"
#include "../vsdfvi/kernels/sample.h"
#include "../vsdfvi/kernels/search.h"
#include "../vsdfvi/kernels/trace.h"
