import t from 'tap'
import { FUZZ_SECONDS, fuzzHttp2 } from './http2.ts'

t.setTimeout((FUZZ_SECONDS + 30) * 1_000)
t.test('HTTP/2 keeps the laws of parsers', async (t) => t.comment(fuzzHttp2()))
