# Lines that end in `#T` are for trusted lines only, those that end in `#V` for verified ones. It runs in a namespace
# of its own, of which `b` becomes the board's `_b`.
import sys,io
from struct import pack as P
from array import array as A
w=@WRITE@
# T: functions by index, perhaps with one more at its end whose deployment an interrupt has ended; H: their identities; S: namespaces, and what is kept; B: pieces of a long request
# n: calls let through; k: the last reply and its number. An interrupt may end a call before its reply is kept
# B is emptied when anything is raised: it may be what filled the heap.
# L: an interrupt has ended a call, and until the next greeting all others are refused
H=[];S={1:globals()};k=n,L=0,0 #T
H=[];S={};k=n,L=0,0 #V
B=[] #V
# The smallest typecode that holds a..z: unsigned if it can be.
def r(a,z):
 for i in range(4):
  if max(z,~a)<<(a<0)<1<<(8<<i):return'BHIQbhiq'[i+4*(a<0)]
# MessagePack; f: the 32-bit form of a head that is still to be written, g: an extension's type.
def e(v):
 s=[v];o=bytearray()
 while s:
  v=s.pop();t=type(v);f=g=''
  if t is int:
   g=-33<v<128 or r(v,v)
   if g==1:o+=P('b',v)
   elif g:o+=P('>B'+g,204+'BHIQbhiq'.find(g),v)
   else:v=str(v);f=201;g='\1'
  elif t is float:o+=P('>B@F@',@H@,v)
  elif t is str:v=v.encode();f=219
  elif v is None:o.append(192)
  elif t is bool:o.append(194+v)
  elif t in(bytes,bytearray,memoryview):v=bytes(v);f=198
  elif isinstance(v,dict):
   f=223
   for t in v:s+=v[t],t
  elif isinstance(v,(list,tuple,set,A)):
   f=221;t=len(v)>7 and set(map(type,v));g=t=={int}and r(min(v),max(v))or t=={float}and @PACK@
   if g:v=bytes(A(g,v));f=201
   else:s+=list(v)[::-1]
  else:raise TypeError("can't send "+t.__name__)
  if f:
   l=len(v);t=l<65536;o+=P('B',1912-8*f+l)if l<16 and f>201 else P('>B'+'IH'[t],f-t,l)
   if f<220:o+=g;o+=v
 return o
# The check over a verified line: zero if these are the bytes that were sent behind `h` calls.
def c(h,s): #V
 for x in s:h=(h*52+x)%7311593 #V
 return h #V
# Runs a source in a namespace and, with an identity, keeps its function as a task. What a verified line carries is
# evaluated in here and can do the latter itself: a text in place of an index is evaluated when a source has run.
def d(s,g,h,m): #T
 g=S.setdefault(g,{});exec(compile(s,m,'exec'),g) #T
 if h:T.insert(len(H)+1,g.get(m));H.append(h);return len(H) #T
T=[d] #T
T=[0] #V
# m, o: number and payload of the frame to write.
def b(i,*a): #T
def b(i,j=0): #V
 global n,k,L
 m,o=k
 if i<-1:L=0;return print(~i,n,'@BOOT@',H,i-1) #T
 if j:L=0;s=b'%d @BOOT@ %s'%(n,H);return print(~i,s,c(i,s),i-1) #V
 if~i:m=n+1;o=b'\xc1\xc0' #T
 if~i and L<1: #T
 if i:m=n+1;o=b'\xc1\xc0' #V
 if i and L+c(n,i)<1: #V
  n=m
  try:o=e(T[i](*a)) #T
  try:i,*a=eval(i[:-4]);o=e(T[i](*a)if i*0==0 else eval(exec(*a)or i)) #V
  except BaseException as z:
   B.clear() #V
   a=type(z).__name__;L=a=='KeyboardInterrupt'
   try:i=io.StringIO();sys.print_exception(z,i);o=b'\xc1'+e((a,str(z),getattr(z,'errno',None),i.getvalue()))
   except:L=1;i=0;o=b'\xc1\x91'+(b'\xabMemoryError'if a=='MemoryError'else e(a))
  k=m,o
 w(P('>BH',248,m*1597&65535)+o) #T
 w(P('>i',~c(m,o))+o) #V
