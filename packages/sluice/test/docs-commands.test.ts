import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { blocks, page } from './documents.ts'
import { prepareClone, runShell, runTypeScript } from './run-blocks.ts'
import { serve } from './serve.ts'
import { EXAMPLES } from './sluice.ts'

const isOfServer = (code: string) => code.includes('postgres://')

test('the commands of README.md run, in a clone in which npm ci is done', async () => {
  const folder = temporaryFolder()
  prepareClone(folder)
  const [quickStart, tests, ...others] = blocks(page('README.md'), 'sh').filter((code) => !isOfServer(code))
  assert.equal(quickStart, 'npm ci && npx sluice load examples/customers.csv\n')
  // The test runner does not run itself.
  assert.equal(tests, 'npm ci && npm test\n')
  const output = await runShell(quickStart.replace('npm ci && ', ''), folder)
  for (const line of blocks(page('README.md'), 'text')[0]!.split('\n')) {
    for (const part of line.split('…')) assert.ok(output.includes(part), `not printed: ${part}`)
  }
  for (const code of others) await runShell(code, folder)
  for (const code of blocks(page('README.md'), 'ts')) assert.equal(await runTypeScript(code, folder), '4977 33\n')
})

for (const path of ['docs/guide.md', 'docs/operations.md', 'docs/recipes.md', 'docs/tuning.md']) {
  test(`the commands of ${path} run, one after the other`, async () => {
    const folder = temporaryFolder()
    prepareClone(folder)
    await runShell('npx sluice load examples/customers.csv --quiet --table before', folder)
    const commands = blocks(page(path), 'sh').filter((code) => !isOfServer(code))
    assert.notEqual(commands.length, 0)
    for (const code of commands) await runShell(code, folder)
  })
}

test('the calls by curl of the guide and the reference succeed, one after the other', async () => {
  const folder = temporaryFolder()
  prepareClone(folder)
  const server = await serve(folder)
  try {
    await runShell('cp examples/customers.csv large.csv; cp large.csv people.csv; gzip -k people.csv', folder)
    const first = await runShell(`curl -sf -F file=@large.csv -F table=first '${server.url}/upload?wait=true'`, folder)
    const { jobId } = JSON.parse(first)
    const commands = ['docs/guide.md', 'docs/reference/http.md'].flatMap((path) =>
      [...page(path).matchAll(/^curl .*$/gm)].map(([command]) => command),
    )
    assert.ok(commands.length >= 7)
    for (const command of commands) {
      const here = command
        .replace('curl ', 'curl --silent --fail-with-body ')
        .replaceAll('http://localhost:3002', server.url)
        .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/, jobId)
      const printed = await runShell(here, folder)
      assert.doesNotMatch(printed, /"type":"about:blank"|"status":[45]/, command)
    }
  } finally {
    await server.stop()
  }
})

test('the programs of docs/reference/library.md run, one after the other', async () => {
  const folder = temporaryFolder()
  copyFileSync(join(EXAMPLES, 'customers.csv'), join(folder, 'people.csv'))
  for (const code of blocks(page('docs/reference/library.md'), 'ts')) await runTypeScript(code, folder)
})
