import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'

const ACCEPT = join(import.meta.dirname, '../../../accept/run.ts')
const ROOT = join(import.meta.dirname, '../../..')

interface Report {
  results: { id: string; verdicts: { id: string; text: string; outcome: string; evidence: string }[] }[]
}

/** Runs one script of `npm run accept` on files so small that rates are not judged: nothing of it may fail. */
export async function accept(id: string): Promise<void> {
  const folder = temporaryFolder()
  const report = join(folder, 'report.json')
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
}
