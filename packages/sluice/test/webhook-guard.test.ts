import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { test } from 'node:test'
import { AddressGuard, isPublic } from '../src/webhook/address-guard.ts'
import { deliver } from '../src/webhook/deliver.ts'
import { receive } from './receiver.ts'

const REFUSED = { code: 'SLUICE_USAGE' }
const PRIVATE = [
  '0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255',
  '192.0.0.192 192.0.2.1 192.168.0.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:a00:1',
  '64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1 nonsense',
].flatMap((line) => line.split(' '))
const answering =
  (...addresses: string[]) =>
  async (): Promise<LookupAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

test('only addresses of the internet are public', () => {
  for (const address of PRIVATE) assert.equal(isPublic(address), false, address)
  for (const address of ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1', '::ffff:8.8.8.8'])
    assert.equal(isPublic(address), !address.startsWith('::'), address)
})

test('every form of a private address is refused, and every address of a name is looked at', async () => {
  const guard = new AddressGuard([])
  const hosts =
    '2130706433 0177.0.0.1 0x7f.1 127.1 [::ffff:7f00:1] [::1] 169.254.169.254 127。0。0。1 localhost localhost.'
  for (const host of hosts.split(' ')) await assert.rejects(guard.addresses(new URL(`http://${host}/`)), REFUSED, host)
  const url = new URL('https://example.com/')
  await assert.rejects(new AddressGuard([], answering('1.1.1.1', '10.0.0.1')).addresses(url), REFUSED)
  await assert.rejects(new AddressGuard([], answering()).addresses(url), REFUSED)
  assert.equal((await new AddressGuard([], answering('1.1.1.1')).addresses(url)).length, 1)
})

test('what the operator names is allowed, and nothing beside it', async () => {
  const judge = async (allow: string[], url: string, ...addresses: string[]) => {
    try {
      await new AddressGuard(allow, answering(...addresses)).addresses(new URL(url))
      return true
    } catch {
      return false
    }
  }
  assert.equal(await judge(['hooks.local'], 'http://hooks.local:81/', '10.0.0.1'), true)
  assert.equal(await judge(['Hooks.local:81'], 'http://hooks.local:81/', '10.0.0.1'), true)
  assert.equal(await judge(['hooks.local:443'], 'https://hooks.local/', '10.0.0.1'), true)
  assert.equal(await judge(['hooks.local:82'], 'http://hooks.local:81/', '10.0.0.1'), false)
  assert.equal(await judge(['hooks.local'], 'http://evil.hooks.local/', '10.0.0.1'), false)
  assert.equal(await judge(['10.0.0.0/8'], 'http://any.name/', '10.9.9.9'), true)
  assert.equal(await judge(['10.0.0.0/8'], 'http://any.name/', '10.9.9.9', '192.168.0.1'), false)
  assert.equal(await judge(['10.0.0.0/8'], 'http://any.name/', '::ffff:10.9.9.9'), true)
  assert.equal(await judge(['fd00::/8'], 'http://[fd00::1]/'), true)
  assert.equal(await judge(['[fd00::1]:80'], 'http://[fd00::1]/'), true)
  assert.equal(await judge(['127.0.0.1'], 'http://127.0.0.2/'), false)
})

test('the connection goes to the address that was checked, whatever the name says a moment later', async () => {
  await using receiver = await receive()
  const message = { webhookId: 'msg_1', url: `http://rebinding.test:${receiver.port}/`, payload: '{}' }
  const signal = new AbortController().signal
  let asked = 0
  // Public when it is registered, private ever after.
  const rebinding = async () => answering(asked++ === 0 ? '1.1.1.1' : '127.0.0.1')()
  const guard = new AddressGuard([], rebinding)
  await guard.addresses(new URL(message.url))
  const refused = await deliver(message, { guard, secrets: [], signal })
  assert.match(refused.error!, /not public/)
  assert.equal(receiver.received.length, 0)

  // The name itself resolves to nothing: it is not asked for again.
  const pinned = new AddressGuard(['rebinding.test'], answering('127.0.0.1'))
  assert.equal((await deliver(message, { guard: pinned, secrets: [], signal })).status, 200)
  assert.equal(receiver.received[0]!.headers.host, `rebinding.test:${receiver.port}`)
})
