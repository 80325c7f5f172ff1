import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'

export const BIN = join(import.meta.dirname, '../bin/sluice.js')
export const EXAMPLES = join(import.meta.dirname, '../../../examples')

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  /** Written to standard input, which is then closed, unless `inputStaysOpen`. */
  input?: string | Buffer
  inputStaysOpen?: boolean
  /** Node and its arguments. */
  node?: string[]
  /** In ms; default 60,000. A command that hangs fails its own test, and no other. */
  timeout?: number
}

/** Runs the real command to its end. */
export function sluice(args: string[], options: RunOptions = {}): Promise<Ended> {
  return start(args, options).ended
}

/** Starts the real command. Nothing of this process's environment reaches it but PATH and HOME. */
export function start(
  args: string[],
  options: RunOptions = {},
): { child: ChildProcessWithoutNullStreams; ended: Promise<Ended> } {
  const [node, ...flags] = options.node ?? [process.execPath]
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(node!, [...flags, BIN, ...args], {
    cwd: options.cwd,
    env: { PATH, HOME, ...options.env },
    timeout: options.timeout ?? 60_000,
    killSignal: 'SIGKILL',
  })
  child.stdin.on('error', () => undefined).write(options.input ?? '')
  if (!options.inputStaysOpen) child.stdin.end()
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...output }))
  })
  return { child, ended }
}
