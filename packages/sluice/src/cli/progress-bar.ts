import type { Progress } from '@sluice/engine'
import { clock, count } from './plain-text.ts'

/** More often, and the terminal costs more than it shows. ms */
const REPAINT = 100
const BAR_MIN = 10
const BAR_MAX = 30

/** One line on a terminal that is painted over again and again. */
export class ProgressBar {
  readonly #terminal: Pick<NodeJS.WriteStream, 'write' | 'columns'>
  #paintedAt = Number.NEGATIVE_INFINITY
  #visible = false

  constructor(terminal: Pick<NodeJS.WriteStream, 'write' | 'columns'>) {
    this.#terminal = terminal
  }

  update(progress: Progress): void {
    const now = performance.now()
    if (now - this.#paintedAt < REPAINT) return
    this.#paintedAt = now
    this.#visible = true
    // One column stays free: in the last one some terminals begin a new line.
    this.#terminal.write(`\r${progressLine(progress, (this.#terminal.columns || 80) - 1)}\x1b[K`)
  }

  clear(): void {
    if (!this.#visible) return
    this.#visible = false
    this.#paintedAt = Number.NEGATIVE_INFINITY
    this.#terminal.write('\r\x1b[K')
  }
}

/** The line in at most `width` columns: what matters least goes first, the bar before all. */
export function progressLine(progress: Progress, width: number): string {
  const { bytesCommitted, bytesTotal, etaSeconds } = progress
  const share = bytesTotal === null ? null : bytesTotal === 0 ? 1 : Math.min(1, bytesCommitted / bytesTotal)
  const parts = [
    share === null ? `${(bytesCommitted / 1e6).toFixed(1)} MB` : `${Math.floor(share * 100)}%`.padStart(4),
    `${count(progress.recordsRead)} rows`,
    `${count(progress.rejected)} rejects`,
    `${count(Math.round(progress.rowsPerSecond))} rows/s`,
  ]
  if (etaSeconds !== null) parts.push(`ETA ${clock(etaSeconds)}`)
  while (parts.length > 1 && parts.join('  ').length > width) parts.pop()
  const text = parts.join('  ').slice(0, Math.max(0, width))

  const room = Math.min(BAR_MAX, width - text.length - 4)
  if (share === null || room < BAR_MIN) return text
  const [percent, ...rest] = parts
  return [percent, `[${'='.repeat(Math.round(share * room)).padEnd(room)}]`, ...rest].join('  ')
}
