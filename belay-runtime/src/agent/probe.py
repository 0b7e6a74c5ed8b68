# Asks a board for everything at once, in a namespace that is dropped. MicroPython 1.9.2 with 9 KB of heap runs it: no
# f-strings, few names.
import sys
def t(s):
 try:return eval(s)
 except Exception:return 0
def f():
 t('c.collect()')
 return t('c.mem_free()')
c=t('__import__("gc")')
print(~-@NONCE@,'<@MARK@:',end='')
# Whether sixteen short literals leave more behind them than long ones. At this level: there are but six frames; with
# names that exist, or the namespace may grow in between; and after some that count for nothing, because the first of
# all allocate what the others use.
g=i=m=n=s=0
for s in'%012d','%012d','%010d':
 m=n;n=f()
 for i in range(16):t('b"'+s%i+'"')
i=n-f()-m+n
for s in(@MODULES@'@DECIMALS@','__import__("array")and sys.print_exception and __import__("io").StringIO','__import__("struct")','i>64','b"".decode()==""',b'len(b"\x80\xff\xc3")==3 and len("\xc3\xa4")==1','__import__("_thread")','compile'):g+=g+(t(s)!=0)
i=sys.implementation
n=f()
m=t('__import__("machine").unique_id()')or t('__import__("microcontroller").cpu.uid')or b''
# Twice: on a line that changes bytes, only what came twice is believed.
for s in 0,1:print(i[0],'.'.join([str(x)for x in i[1][:3]]),sys.platform.replace(' ','_'),n,64 if 1e39<1e40 else 32 if 1.0000001>1 else 30,g,''.join(['%02x'%x for x in m])or 0,end='|')
# Every byte, and the combinations in which translations of line endings differ.
h=bytes(range(256))+b'\r\n\n\r\r\n'
g=@MARK@
for s in[@WRITERS@]:
 print(':%d>'%g,end='')
 g+=1
 print('<%d:'%g,end='')
 t('('+s+')(h)')
print(':%d>'%g,~@NONCE@)
