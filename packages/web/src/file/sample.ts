/** The first bytes of a file, as text. Only these are ever read here; the rest is the server's. */

/** Enough for thousands of records, and read in a moment. */
const SAMPLE_BYTES = 512 * 1024

export interface Sample {
  text: string
  /** Whether it is the whole file. */
  complete: boolean
  encoding: string
  compression: 'none' | 'gzip' | 'zstd'
}

export const ENCODINGS = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'windows-1252',
  'iso-8859-2',
  'windows-1251',
  'shift_jis',
  'gb18030',
]

/** @param encoding what the user says; else found out */
export async function readSample(file: File, encoding?: string): Promise<Sample> {
  const head = new Uint8Array(await file.slice(0, SAMPLE_BYTES).arrayBuffer())
  const compression = compressionOf(head)
  if (compression === 'zstd') return { text: '', complete: false, encoding: 'utf-8', compression }
  const bytes = compression === 'gzip' ? await unpacked(file) : head
  const complete = compression === 'none' ? file.size <= SAMPLE_BYTES : bytes.length < SAMPLE_BYTES
  const name = encoding ?? encodingOf(bytes, complete)
  return { text: new TextDecoder(name).decode(bytes, { stream: !complete }), complete, encoding: name, compression }
}

function compressionOf([a, b, c, d]: Uint8Array): Sample['compression'] {
  if (a === 0x1f && b === 0x8b) return 'gzip'
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd ? 'zstd' : 'none'
}

async function unpacked(file: File): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(SAMPLE_BYTES)
  let length = 0
  const reader = file.stream().pipeThrough(new DecompressionStream('gzip')).getReader()
  for (let read = await reader.read(); !read.done && length < bytes.length; read = await reader.read()) {
    const piece = read.value.subarray(0, bytes.length - length)
    bytes.set(piece, length)
    length += piece.length
  }
  await reader.cancel()
  return bytes.subarray(0, length)
}

function encodingOf(bytes: Uint8Array<ArrayBuffer>, complete: boolean): string {
  const [a, b] = bytes
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !complete })
    return 'utf-8'
  } catch {
    // With more sound characters than broken ones it is UTF-8 that was damaged here and there; those records are refused.
    const text = new TextDecoder().decode(bytes)
    const broken = text.match(/\ufffd/g)?.length ?? 0
    const sound = text.match(/[^\0-\x7f\ufffd]/g)?.length ?? 0
    return sound > broken ? 'utf-8' : 'windows-1252'
  }
}
