/** Whether an `Accept` header wants the page: a browser's does, that of a program which takes anything does not. */
export function wantsPage (accept: string | undefined): boolean {
  const qualities = new Map((accept ?? '').toLowerCase().split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    return [type, Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)]
  }))
  const html = qualities.get('text/html') ?? 0
  return html > 0 && html >= (qualities.get('application/json') ?? 0)
}
