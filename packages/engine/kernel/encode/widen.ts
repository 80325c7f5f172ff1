// A checked integer that goes into a column of decimals.
import { Cell } from '../cell'
import { Decimal, FINITE } from '../columns/number'
import { putInteger } from './digits'

/** Cell.int → Decimal */
export function integerAsDecimal(): void {
  const negative = Cell.int < 0
  const end = putInteger(Cell.digits, Cell.int)
  Decimal.special = FINITE
  Decimal.negative = negative
  Decimal.whole = Cell.digits + <usize>negative
  Decimal.wholeLength = Cell.int == 0 ? 0 : end - Decimal.whole
  Decimal.fraction = end
  Decimal.fractionLength = 0
}
