import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { leaseOwner, livesNoMore } from '../src/checkpoint/owner.ts'

const OWNER = join(import.meta.dirname, '../src/checkpoint/owner.ts')
const PRINT = `process.stdout.write((await import(${JSON.stringify(OWNER)})).leaseOwner())`
const node = ['--input-type=module', '--eval']

test('who has ended lives no more; who lives does', async () => {
  const ended = execFileSync(process.execPath, [...node, PRINT], { encoding: 'utf8' })
  assert.equal(livesNoMore(ended), true)
  const living = spawn(process.execPath, [...node, `${PRINT}; process.stdin.resume()`])
  try {
    const [owner] = await once(living.stdout.setEncoding('utf8'), 'data')
    assert.equal(livesNoMore(owner), false)
    assert.equal(livesNoMore(`${owner}/1f0c22ab`), false, 'a thread of it')
    living.kill('SIGKILL')
    await once(living, 'exit')
    assert.equal(livesNoMore(owner), true)
    assert.equal(livesNoMore(`${owner}/1f0c22ab`), true, 'a thread of it')
  } finally {
    living.kill('SIGKILL')
  }
  assert.equal(livesNoMore(leaseOwner()), false)
})

test('of another machine, or a container of the same name, nothing is known', () => {
  const [machine, , began] = leaseOwner().split('/') as [string, string, string]
  const gone = `${process.pid}/${began}0`
  assert.equal(livesNoMore(`${machine}/${gone}`), true, 'the same process id, begun at another time')
  const [host, boot, namespace] = machine.split(':')
  for (const other of [`${host}2:${boot}:${namespace}`, `${host}:00000000:${namespace}`, `${host}:${boot}:1`, host]) {
    assert.equal(livesNoMore(`${other}/${gone}`), false, other)
  }
  for (const owner of ['', 'somebody', `${machine}/`, `${machine}/-1/0`]) assert.equal(livesNoMore(owner), false, owner)
})
