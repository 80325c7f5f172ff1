// From the index of scan/json.ts to rows and rejects, as convert.ts does it from that of scan/csv.ts.
import {
  addError,
  addReject,
  CONVERT_DONE,
  CONVERT_DRAIN,
  CONVERT_ENOUGH,
  CONVERT_LARGE_ROW,
  Convert,
  convertRecord,
  EXTRA_CELLS,
  skipTo,
} from './convert'
import { Scan } from './scan/csv'
import {
  AT_CELLS,
  AT_COLUMN,
  AT_END,
  AT_FIRST,
  AT_KIND,
  AT_NEXT,
  AT_START,
  KIND_FAULT,
  KIND_GAP,
  RECORD_BYTES,
} from './scan/json'

/** Converts up to `most` records of the index; `startsOffset` is added to each row's start in the input. */
export function convertJson(most: u32, startsOffset: u32): i32 {
  Convert.startsOffset = startsOffset
  let left = most
  while (Convert.cursor < Scan.indexEnd) {
    const entry = Convert.cursor
    const kind = load<u32>(entry, AT_KIND)
    const next = Scan.input + load<u32>(entry, AT_NEXT)
    if (kind == KIND_GAP) {
      skipTo(next)
      Convert.cursor += RECORD_BYTES
      continue
    }
    if (left == 0) return CONVERT_ENOUGH
    if (Convert.rejected == Convert.rejectLimit || Convert.rows == Convert.rowLimit) return CONVERT_DRAIN
    if (Convert.errorCount + Convert.columnCount + EXTRA_CELLS > Convert.errorLimit) return CONVERT_DRAIN
    const contentEnd = Scan.input + load<u32>(entry, AT_END)
    const at = Convert.at
    const line = Convert.line
    skipTo(Scan.input + load<u32>(entry, AT_START))
    let status = CONVERT_DONE
    if (kind == KIND_FAULT) {
      const firstError = Convert.errorCount
      const failAt = Scan.input + load<u32>(entry, AT_FIRST)
      addError(load<u32>(entry, AT_COLUMN), load<u32>(entry, AT_CELLS), failAt, contentEnd, 0)
      addReject(contentEnd, next, firstError)
      Convert.cursor += RECORD_BYTES
    } else {
      const cells = load<u32>(entry, AT_CELLS)
      Convert.cursor += RECORD_BYTES
      status = convertRecord(cells, contentEnd, next, contentEnd - Convert.at)
      if (status != CONVERT_DONE && status != CONVERT_LARGE_ROW) {
        Convert.cursor = entry
        Convert.at = at
        Convert.line = line
        return status
      }
      Convert.cursor += <usize>cells << 2
    }
    skipTo(next)
    Convert.records++
    left--
    if (status == CONVERT_LARGE_ROW) return status
  }
  return CONVERT_DONE
}
