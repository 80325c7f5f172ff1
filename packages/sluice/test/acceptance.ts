import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ACCEPT = join(import.meta.dirname, '../../../accept/run.ts')
const ROOT = join(import.meta.dirname, '../../..')

interface Report {
  results: { id: string; verdicts: { id: string; text: string; outcome: string; evidence: string }[] }[]
}

/** Runs one script of `npm run accept` on files so small that rates are not judged: nothing of it may fail. */
export async function accept(id: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const report = join(folder, 'report.json')
  try {
    const args = [ACCEPT, '--only', id, '--rows', '2000', '--report', report]
    const output = await new Promise<string>((resolve) => {
      execFile(process.execPath, args, { cwd: ROOT }, (_error, stdout, stderr) => resolve(stdout + stderr))
    })
    assert.ok(existsSync(report), output)
    const { results } = JSON.parse(readFileSync(report, 'utf8')) as Report
    assert.deepEqual(
      results.map((result) => result.id),
      [id],
      output,
    )
    const failed = results.flatMap(({ verdicts }) => verdicts.filter(({ outcome }) => outcome === 'fail'))
    assert.deepEqual(failed, [])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
