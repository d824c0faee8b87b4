"""The postern protocol a second time, in Python, written from doc/protocol.md alone.

Nothing here shares a line with the C code, so that both can be wrong only
where the text is. The hostile tests use it to send what no honest client
would: any time, any bytes, messages held back and sent again.
"""
