import type { TwinResult } from '../twin/twin.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** The first difference between what the twin and the kernel made of a source, for people; undefined where there is none. */
export function firstDifference(expected: TwinResult, actual: TwinResult): string | undefined {
  const left = lines(expected)
  const right = lines(actual)
  const at = left.findIndex((line, index) => line !== right[index])
  if (at >= 0) return `twin   ${shorten(left[at])}\nkernel ${shorten(right[at])}`
  return right.length > left.length ? `twin   nothing\nkernel ${shorten(right[left.length])}` : undefined
}

function lines({ rows, rejects }: TwinResult): string[] {
  const all = [
    ...rows.map(({ record, start, bytes }) => ({
      record,
      line: `${record} row @${start} ${JSON.stringify(hex(bytes))}`,
    })),
    ...rejects.map(({ raw, ...reject }) => ({
      record: reject.record,
      line: `${reject.record} reject ${JSON.stringify(reject)} ${JSON.stringify(hex(raw))}`,
    })),
  ]
  return all.sort((a, b) => a.record - b.record).map(({ line }) => line)
}

const shorten = (line: string | undefined): string =>
  line === undefined ? 'nothing' : line.length > 2000 ? `${line.slice(0, 2000)}…` : line

/** The smallest bytes, found by leaving out ever smaller parts, for which `fails` still holds. */
export function minimise(bytes: Uint8Array, fails: (bytes: Uint8Array) => boolean): Uint8Array {
  let least = bytes
  for (let size = Math.ceil(bytes.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.length; ) {
      const shorter = Buffer.concat([least.subarray(0, at), least.subarray(at + size)])
      if (fails(shorter)) least = shorter
      else at += size
    }
  }
  return least
}
