import { SluiceError } from './errors.ts'
import type { Meter } from './meter.ts'
import type { LoadOptions } from './options.ts'

/** A load whose first records are all rejects, so many of them, has the wrong schema or dialect. */
export const HOPELESS_RECORDS = 10_000
/** Records after which a percentage of rejects is judged for the first time. */
const PERCENT_AFTER = 1_000

/** Records from the `record`th on to the next place at which a load is judged, wherever its batches would end. */
export function untilJudged(record: number, { maxErrors }: LoadOptions): number {
  const places = [...(maxErrors && 'percent' in maxErrors ? [PERCENT_AFTER] : []), HOPELESS_RECORDS]
  return (places.find((place) => place > record) ?? Number.POSITIVE_INFINITY) - record
}

/**
 * Ends a load that has too many rejects.
 * @param atEnd nothing more comes
 * @throws SluiceError SLUICE_ALL_REJECTED, SLUICE_ERROR_BUDGET
 */
export function judge(
  { maxErrors }: LoadOptions,
  { rejected, recordsRead, jobId }: Pick<Meter, 'rejected' | 'recordsRead' | 'jobId'>,
  atEnd: boolean,
): void {
  if (recordsRead >= HOPELESS_RECORDS && rejected === recordsRead) {
    throw new SluiceError(
      'SLUICE_ALL_REJECTED',
      `All of the first ${recordsRead} records were rejected, so the load was stopped: look at the rejects; ` +
        'the delimiter, the header or the schema is probably not what the source has',
    )
  }
  if (!maxErrors) return
  const exceeded =
    'rows' in maxErrors
      ? rejected > maxErrors.rows
      : (atEnd || recordsRead >= PERCENT_AFTER) && rejected > (recordsRead * maxErrors.percent) / 100
  if (!exceeded) return
  const allowed = 'rows' in maxErrors ? `${maxErrors.rows}` : `${maxErrors.percent}%`
  throw new SluiceError(
    'SLUICE_ERROR_BUDGET',
    `${rejected} of ${recordsRead} records were rejected, more than --max-errors ${allowed} allows; ` +
      `with a higher limit the same command goes on from here (job ${jobId})`,
  )
}
