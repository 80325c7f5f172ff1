import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { ROOT } from './documents.ts'
import { BIN, EXAMPLES } from './sluice.ts'

const run = promisify(execFile)

/** Makes a folder that has what the documentation's commands use of a clone. */
export function prepareClone(folder: string): void {
  mkdirSync(join(folder, 'examples'))
  for (const name of readdirSync(EXAMPLES)) copyFileSync(join(EXAMPLES, name), join(folder, 'examples', name))
}

/**
 * Runs a block of shell commands as it stands; `npx sluice` is this checkout's, and `$JOB` the newest job of shop.db, as
 * the guide has it. A command that fails fails the block.
 * @returns what it printed
 */
export async function runShell(code: string, cwd: string, env: Record<string, string> = {}): Promise<string> {
  const newest = '[{ jobId }] = JSON.parse(require("node:fs").readFileSync(0, "utf8")); console.log(jobId)'
  const prologue = `set -euo pipefail
    npx() { shift; "$NODE" "$BIN" "$@"; }
    timeout() { command timeout "$1" "$2" "$NODE" "$BIN" "\${@:5}"; }
    ${code.includes('$JOB') ? `JOB=$(npx sluice jobs --limit 1 --json --to sqlite:shop.db | "$NODE" -e '${newest}')` : ''}\n`
  const { PATH = '', HOME = '' } = process.env
  const { stdout, stderr } = await run('bash', ['-c', prologue + code], {
    cwd,
    env: { PATH, HOME, NODE: process.execPath, BIN, ...env },
    timeout: 60_000,
  })
  return stdout + stderr
}

/** Runs a block of TypeScript as a program of its own. */
export async function runTypeScript(code: string, cwd: string): Promise<string> {
  const engine = pathToFileURL(join(ROOT, 'packages/engine/src/index.ts')).href
  const path = join(cwd, 'example.ts')
  writeFileSync(path, code.replaceAll("'@sluice/engine'", `'${engine}'`))
  const { stdout } = await run(process.execPath, [path], { cwd, timeout: 60_000 })
  return stdout
}
