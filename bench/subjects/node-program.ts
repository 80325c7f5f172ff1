import { join } from 'node:path'
import type { Subject } from '../subject.ts'

/** A program of `bench/programs`, in a process of its own. */
export function nodeProgram(name: string, file: string, ...args: string[]): Subject {
  return { name, command: [process.execPath, join(import.meta.dirname, '../programs', file), ...args] }
}

/** One that prints how many seconds the work took, so that loading a library does not count. */
export function timedProgram(name: string, file: string, ...args: string[]): Subject {
  return { ...nodeProgram(name, file, ...args), seconds: (stdout) => JSON.parse(stdout).seconds }
}
