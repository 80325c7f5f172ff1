/** A program that does the work, alone in its process. */
export interface Subject {
  name: string
  /** The program and its arguments. */
  command: [string, ...string[]]
  /** Seconds from what it printed, where starting the process is not to be counted. */
  seconds?: (stdout: string) => number
  /** It does not tell every bad record, so what it loaded is not compared with what is sound. */
  inexact?: boolean
}
