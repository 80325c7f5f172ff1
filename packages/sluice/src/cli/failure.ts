import { ERRORS, SluiceError } from '@sluice/engine'
import { CommanderError } from 'commander'
import { withoutPassword } from '../config.ts'

/** What is said about an error, and the exit code that it ends the process with. */
export interface Failure {
  code: string
  message: string
  exit: number
}

export function usageError(message: string): SluiceError {
  return new SluiceError('SLUICE_USAGE', message)
}

/** @param debug adds the stack and the causes. */
export function toFailure(error: unknown, debug: boolean): Failure {
  const failure = judge(error)
  const detail = debug && error instanceof Error ? `\n${describe(error)}` : ''
  return { ...failure, message: withoutPassword(failure.message + detail) }
}

function judge(error: unknown): Failure {
  if (error instanceof SluiceError) {
    return { code: error.code, message: error.message, exit: ERRORS[error.code].exit }
  }
  if (error instanceof CommanderError) {
    return { code: 'SLUICE_USAGE', message: oneSentence(error.message), exit: ERRORS.SLUICE_USAGE.exit }
  }
  const message = error instanceof Error ? error.message || error.name : String(error)
  return {
    code: 'SLUICE_INTERNAL',
    message: `unexpected error: ${message} (SLUICE_DEBUG=1 shows where)`,
    exit: ERRORS.SLUICE_INTERNAL.exit,
  }
}

/** Commander's "error: unknown option '--tabel'\n(Did you mean --table?)" without its quotes, prefix and line break. */
function oneSentence(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?')
    .replace(
      /^option '(\S+)[^']*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s,
      (_, flag, value, words) => `${flag} takes ${words.replace(/, (?=[^,]*$)/, ' or ')}, not "${value}"`,
    )
    .replace(/^option '(\S+).*' argument missing$/s, '$1 needs a value')
    .replaceAll(/ '([^' ]*)'/g, ' $1')
    .replace(/\.$/, '')
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${describe(error.cause)}` : ''
  return (error.stack ?? String(error)) + cause
}
