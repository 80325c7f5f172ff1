import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { sluice, start } from './sluice.ts'

/** A Node older than 24 from the PATH; where there is none, this one, which says that it is Node 20 until it is launched. */
function oldNode(): string[] {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .find(
      (path) =>
        existsSync(path) && Number.parseInt(execFileSync(path, ['-p', 'process.versions.node']).toString(), 10) < 24,
    )
  if (found !== undefined) return [found]
  const pretend = `if (!process.env.SLUICE_LAUNCHER)
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })`
  return [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(pretend)}`]
}

for (const [name, node] of [
  ['Node 24', [process.execPath]],
  ['an older Node', oldNode()],
] as const) {
  describe(`under ${name}`, () => {
    test('output, arguments and standard input go through', async () => {
      const { code, stdout, stderr } = await sluice(['generate', '--rows', '2'], { node: [...node] })
      assert.equal(code, 0)
      assert.match(stdout, /^id,.*\n1,.*\n2,.*\n$/)
      assert.equal(stderr, 'rows=2 bad=0 duplicates=0 sound=2 seed=1\n')
    })

    test('the exit code goes through', async () => {
      const { code, stderr } = await sluice(['load', 'a  b.csv'], { node: [...node] })
      assert.equal(stderr, 'sluice: There is no file a  b.csv\n')
      assert.equal(code, 2)
    })

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      test(`${signal} ends it as a signal does`, async () => {
        const { child, ended } = start(['generate', '--rows', '1000000000'], { node: [...node] })
        await once(child.stdout, 'data')
        child.kill(signal)
        assert.deepEqual((({ code, signal }) => ({ code, signal }))(await ended), { code: null, signal })
      })
    }

    test('SIGKILL leaves nothing running', async () => {
      const { child, ended } = start(['generate', '--rows', '1000000000'], { node: [...node] })
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      // Ends when the last process that holds the pipes has ended.
      assert.equal((await ended).signal, 'SIGKILL')
    })
  })
}
