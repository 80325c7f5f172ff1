import { test } from 'node:test'
import { accept } from './acceptance.ts'

test('the acceptance of 002', () => accept('002'))
