import { test } from 'node:test'
import { accept } from './acceptance.ts'

test('the acceptance of 001', () => accept('001'))
