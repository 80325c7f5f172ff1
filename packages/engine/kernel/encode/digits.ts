// Numbers as decimal text.

/** Writes a signed integer; returns the end. */
export function putInteger(to: usize, value: i64): usize {
  let rest: u64 = <u64>value
  if (value < 0) {
    store<u8>(to++, 45)
    rest = 0 - rest
  }
  let n: usize = 1
  for (let v = rest; v >= 10; v /= 10) n++
  let p = to + n
  do {
    store<u8>(--p, <u8>(48 + (rest % 10)))
    rest /= 10
  } while (rest)
  return to + n
}
