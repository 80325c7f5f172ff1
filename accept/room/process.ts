/** sluice as a process of its own under a memory limit that the kernel enforces, watched from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createGroup, type MemoryGroup } from '../../bench/memory-group.ts'
import { readMemory } from '../../bench/process-memory.ts'
import { SLUICE } from '../../bench/sample.ts'

const MB = 2 ** 20
/** Milliseconds between two looks at the process. */
const INTERVAL = 25

export interface ProcessOptions {
  /** MB that the kernel lets it have; without root or cgroups its peak is looked at and nothing more. */
  limit?: number
  env?: Record<string, string>
  cwd?: string
  stdin?: 'ignore' | 'pipe'
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  seconds: number
}

export class SluiceProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resident memory in bytes, look by look. */
  readonly series: number[] = []
  /** VmHWM in bytes. */
  peak = 0
  /** Most threads at once. */
  threads = 0
  #output = { stdout: '', stderr: '' }

  constructor(args: string[], { limit, env, cwd, stdin = 'ignore' }: ProcessOptions = {}) {
    const group = limit === undefined ? undefined : memoryGroup(limit * MB)
    const { PATH = '', HOME = '' } = process.env
    const start = performance.now()
    // The shell enters the group and then becomes sluice, so that not one page of it is outside.
    this.child = spawn('sh', ['-c', `${group?.enter ?? 'true'} && exec "$0" "$@"`, process.execPath, SLUICE, ...args], {
      stdio: [stdin, 'pipe', 'pipe'],
      env: { PATH, HOME, ...env },
      cwd,
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name]!.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text
      })
    }
    const timer = setInterval(() => this.#look(), INTERVAL)
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      clearInterval(timer)
      group?.remove()
      return { code, signal, ...this.#output, seconds: (performance.now() - start) / 1000 }
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  get printed(): string {
    return this.#output.stdout + this.#output.stderr
  }

  /** Open descriptors now. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Bytes so far: read from wherever, and written to a disk. */
  traffic(): { read: number; written: number } {
    const io = readFileSync(`/proc/${this.pid}/io`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1])
    return { read: field('rchar'), written: field('write_bytes') }
  }

  /** The highest of each quarter of the time since look number `from`. */
  quarters(from = 0): number[] {
    const looks = this.series.slice(from)
    const at = (part: number) => Math.floor((looks.length * part) / 4)
    return [0, 1, 2, 3].map((k) => Math.max(0, ...looks.slice(at(k), at(k + 1))))
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }

  #look(): void {
    const memory = readMemory(this.pid)
    if (!memory) return
    this.series.push(memory.rss)
    this.peak = memory.peak
    try {
      this.threads = Math.max(this.threads, readdirSync(`/proc/${this.pid}/task`).length)
    } catch (error) {
      // It ended between the two looks.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** Runs a command of sluice to its end. */
export async function sluice(
  args: string[],
  options: ProcessOptions = {},
): Promise<Ended & { process: SluiceProcess }> {
  const running = new SluiceProcess(args, options)
  return { ...(await running.ended), process: running }
}

let missing: string | undefined

/** How the limit was set, for the report. */
export function limitKind(): string {
  return missing ?? 'memory cgroup'
}

function memoryGroup(limit: number): MemoryGroup | undefined {
  if (missing !== undefined) return undefined
  try {
    return createGroup(limit)
  } catch (error) {
    missing = `no memory cgroup (${(error as Error).message}): the peak was watched, nothing enforced it`
    return undefined
  }
}
