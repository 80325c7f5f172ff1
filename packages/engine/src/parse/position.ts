/** A place in one source at which a record begins, or the source ends. */
export interface Position {
  /** Bytes before it, after decompression, before decoding. */
  byte: number
  /** The physical line it is on, from 1. */
  line: number
  /** Records of the job before it. */
  record: number
}

export const START: Position = { byte: 0, line: 1, record: 0 }
