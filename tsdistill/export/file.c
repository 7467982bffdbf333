/* A time-series classifier, written by tsdistill $VERSION$.
 *
 * int tsdistill_predict($ARGUMENTS$);
 *
$SERIES$
 *   proba:  TSDISTILL_N_CLASSES probabilities, in the order of tsdistill_classes:
 *           $LABELS$.
 *
 * Returns the position of the most probable class. It is -1, and proba stays as it is, if
 * $REFUSED$.
 *
 * Constants take $N_BYTES$ bytes. Memory is a static block of $N_RAM$ bytes, so one call at a time:
 * with TSDISTILL_STORAGE defined as _Thread_local (C11), one call a thread. A series takes
 * $N_MULTIPLICATIONS$ multiplications.
 */
#include <math.h>
#include <stdint.h>

#define TSDISTILL_N_CHANNELS $N_CHANNELS$
$TIMEPOINTS$
#define TSDISTILL_N_CLASSES $N_CLASSES$
#define TSDISTILL_IS_PROBA $IS_PROBA$
$STATES$#ifndef TSDISTILL_STORAGE
#define TSDISTILL_STORAGE
#endif

extern const char *const tsdistill_classes[TSDISTILL_N_CLASSES];
int tsdistill_predict($ARGUMENTS$);

const char *const tsdistill_classes[TSDISTILL_N_CLASSES] = {$NAMES$};

$ARRAYS$

static TSDISTILL_STORAGE float memory[$N_NUMBERS$];

$FUNCTIONS$

int tsdistill_predict($ARGUMENTS$)
{
    const float *answers = $RESULT$;
    float highest, total = 0.0f;
    int i, best = 0;
$CHECKS$
$CALLS$
    for (i = 1; i < TSDISTILL_N_CLASSES; i++) {
        best = answers[i] > answers[best] ? i : best;
    }
    highest = answers[best];
    for (i = 0; i < TSDISTILL_N_CLASSES; i++) {
        proba[i] = TSDISTILL_IS_PROBA ? answers[i] : expf(answers[i] - highest);
        total += proba[i];
    }
    for (i = 0; i < TSDISTILL_N_CLASSES; i++) {
        proba[i] /= total;
    }
    return best;
}
