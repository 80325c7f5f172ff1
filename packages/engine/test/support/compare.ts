import type { Encoding } from '../../src/schema/program.ts'
import { type TwinResult, twin } from '../twin/twin.ts'
import type { HostileCase } from './generate-hostile.ts'
import { type RunOptions, runKernel } from './run-kernel.ts'

/** How a source arrives and is cut into batches. */
export type Way = Pick<RunOptions, 'pieces' | 'limits' | 'closeEarly'>

/** How kernel and twin differ on a source, with the smallest case that shows it; undefined where they agree. */
export function disagreement(given: HostileCase, encoding: Encoding, way: Way): string | undefined {
  if (difference(given, encoding, way) === undefined) return undefined
  let least = given
  const shrinks = (changed: Partial<HostileCase>): boolean => {
    const smaller = { ...least, ...changed }
    if (difference(smaller, encoding, way) === undefined) return false
    least = smaller
    return true
  }
  minimise(least.bytes, (bytes) => shrinks({ bytes }))
  for (const column of given.program.columns) {
    const columns = least.program.columns.filter((other) => other !== column)
    if (columns.length > 0) shrinks({ program: { ...least.program, columns } })
  }
  minimise(least.bytes, (bytes) => shrinks({ bytes }))
  const { bytes, ...rest } = least
  return [
    `${encoding}, pieces of ${way.pieces}`,
    JSON.stringify(Buffer.from(bytes).toString('latin1')).slice(0, 1000),
    JSON.stringify(rest),
    difference(least, encoding, way),
  ].join('\n')
}

/** The difference, what the kernel throws among it. */
export function difference(given: HostileCase, encoding: Encoding, way: Way): string | undefined {
  const options = { ...given, encoding }
  const expected = twin(given.bytes, options)
  try {
    return firstDifference(expected, runKernel(given.bytes, { ...options, ...way }))
  } catch (error) {
    return `kernel threw ${(error as Error).stack}`
  }
}

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

/** Leaves out ever smaller parts of the bytes, for as long as `fails` still holds; gives up after some 1,000 attempts. */
function minimise(bytes: Uint8Array, fails: (bytes: Uint8Array) => boolean): void {
  let least = bytes
  let attempts = Math.min(1000, 10_000_000 / bytes.length)
  for (let size = Math.ceil(bytes.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.length; ) {
      if (attempts-- <= 0) return
      const shorter = Buffer.concat([least.subarray(0, at), least.subarray(at + size)])
      if (fails(shorter)) least = shorter
      else at += size
    }
  }
}
