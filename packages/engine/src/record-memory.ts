import { totalmem } from 'node:os'
import { SluiceError } from './errors.ts'
import { MAX_RECORD_BYTES } from './parse/records.ts'

const MB = 2 ** 20
/** How often a record is held on its way: records of 15 MB took 9 times that into SQLite and 7 times into PostgreSQL, one of 500 MB 10 times. */
const COPIES = 10
/** What a load takes beside it. */
const BASE = 96 * MB

/**
 * Refuses a `maxRecordBytes` beyond the default for which the process has no memory: the system would end it in the middle of the load.
 * @param memory bytes that the process may have; default: the limit of its container, or what the machine has
 * @throws SluiceError SLUICE_USAGE, with the most that can be
 */
export function refuseLongRecords(maxRecordBytes: number | undefined, memory = memoryLimit()): void {
  const most = Math.max(MAX_RECORD_BYTES, Math.floor((memory - BASE) / COPIES))
  if (maxRecordBytes === undefined || maxRecordBytes <= most) return
  const message =
    `Records of ${maxRecordBytes} bytes (--max-record-bytes) need some ${Math.ceil((COPIES * maxRecordBytes + BASE) / MB)} MB of memory, ` +
    `and this process may have ${Math.floor(memory / MB)} MB: say at most ${Math.floor(most / MB)}MB, or give it more`
  throw new SluiceError('SLUICE_USAGE', message)
}

/** A container's limit is 0 where it is not known, and beyond all memory where there is none. */
function memoryLimit(): number {
  return Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem())
}
