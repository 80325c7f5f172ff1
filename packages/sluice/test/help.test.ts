import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sluice } from './sluice.ts'

for (const command of [[], ['load'], ['rejects'], ['replay'], ['jobs'], ['generate']]) {
  test(`sluice ${[...command, '--help'].join(' ')} shows usage and examples`, async () => {
    const { code, stdout, stderr } = await sluice([...command, '--help'])
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.match(stdout, new RegExp(`^Usage: ${['sluice', ...command].join(' ')} `))
    assert.match(stdout, /\nExamples:\n {2}sluice /)
    assert.ok(stdout.split('\n').every((line) => line.length <= 120))
  })
}

test('no command is a mistake that gets the help', async () => {
  const { code, stdout, stderr } = await sluice([])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^Usage: sluice /)
})

test('--version is the version of the package', async () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))
  const { code, stdout } = await sluice(['--version'])
  assert.equal(code, 0)
  assert.equal(stdout, `${manifest.version}\n`)
})
