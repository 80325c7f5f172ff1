import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { printable } from '../src/cli/plain-text.ts'
import { sluice } from './sluice.ts'

test('nothing that came from outside commands the terminal', async () => {
  assert.equal(printable('a\u001b[2Jb\u009bc\u0007\td\ne'), 'a\\u001b[2Jb\\u009bc\\u0007\\u0009d\ne')
  const input = 'id,na\u001b]0;title\u0007me\n1,a\n2,b\n\u001b[31mx,c\n'
  const { stdout, stderr } = await sluice(['load', '-', '--table', 'people', '--no-header', '--set', 'c=\u001b[1m'], {
    cwd: temporaryFolder(),
    input,
  })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
})
