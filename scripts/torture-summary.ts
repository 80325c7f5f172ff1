/**
 * A reporter of node:test that ends a run with a table: for each file its cases, the harm done, the seconds. Harm is what tests
 * say of themselves as diagnostics such as `184 kills`.
 */
import { basename } from 'node:path'

interface Event {
  type: string
  data: { file?: string; message?: string; nesting?: number; details?: { duration_ms?: number; type?: string } }
}

interface Line {
  passed: number
  failed: number
  harm: Map<string, number>
  seconds: number
}

// biome-ignore lint/style/noDefaultExport: so node:test takes a reporter
export default async function* summary(events: AsyncIterable<Event>): AsyncGenerator<string> {
  const lines = new Map<string, Line>()
  for await (const { type, data } of events) {
    if (data.file === undefined) continue
    const file = basename(data.file).replace('.test.ts', '')
    const line = lines.get(file) ?? { passed: 0, failed: 0, harm: new Map(), seconds: 0 }
    lines.set(file, line)
    const isSuite = data.details?.type === 'suite'
    if (type === 'test:pass' && !isSuite) line.passed++
    if (type === 'test:fail' && !isSuite) line.failed++
    if (/^test:(pass|fail)$/.test(type) && data.nesting === 0) line.seconds += (data.details?.duration_ms ?? 0) / 1000
    const said = type === 'test:diagnostic' ? /^(\d+) ([a-z ]+)$/.exec(data.message ?? '') : null
    if (said) line.harm.set(said[2]!, (line.harm.get(said[2]!) ?? 0) + Number(said[1]))
  }
  const rows = [...lines].map(([file, { passed, failed, harm, seconds }]) => [
    file,
    String(passed),
    String(failed),
    seconds.toFixed(0),
    [...harm].map(([what, count]) => `${count} ${what}`).join(', '),
  ])
  const table = [['file', 'passed', 'failed', 'seconds', 'harm'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  yield `\nSLUICE_TORTURE_SEED=${process.env.SLUICE_TORTURE_SEED}\n`
  for (const row of table) {
    const cells = row.map((cell, column) =>
      column === 0 || column === 4 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    )
    yield `${cells.join('  ').trimEnd()}\n`
  }
}
