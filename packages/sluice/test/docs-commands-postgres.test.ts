import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { blocks, page } from './documents.ts'
import { prepareClone, runShell } from './run-blocks.ts'

const postgres = await startPostgres()
after(() => postgres.stop())

for (const path of ['README.md', 'docs/guide.md', 'docs/recipes.md']) {
  test(`the commands of ${path} that need PostgreSQL run`, async () => {
    const folder = temporaryFolder()
    prepareClone(folder)
    const commands = blocks(page(path), 'sh').filter((code) => code.includes('postgres://'))
    assert.notEqual(commands.length, 0)
    for (const code of commands)
      await runShell(code.replaceAll('postgres://me@host/shop', '"$DATABASE"'), folder, { DATABASE: postgres.url })
  })
}
