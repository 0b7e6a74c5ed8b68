# For boards with little heap or few modules: MicroPython 1.9.2 with 9 KB runs it. It does what the full agent does and
# has its names. Parts are loaded one by one, because parsing takes up to nine times a source's size, and the largest
# come first, because what they leave behind them is filled by the others.
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
   L=type(z)is KeyboardInterrupt #T
   L=type(z)is KeyboardInterrupt;B.clear() #V
   try:o=b'\xc1'+e((str(type(z)),str(z)))
   except:L=1;o=b'\xc1\x90'
  k=m,o
 w(P('>BH',248,m*1597&65535)+o) #T
 w(P('>i',~c(m,o))+o) #V
# ---
# Only heads with 16-bit lengths; longer ints are text, because big ones need heap and small ones are few.
# What is of none of the types it knows is a list if it has a length and items.
def e(v):
 s=[v];o=bytearray()
 while s:
  v=s.pop();t=type(v);f=g=''
  if t is int:
   if-33<v<128:o+=P('b',v)
   else:v=str(v);f=200;g='\1'
  elif t is float:o+=P('>B@F@',@H@,v)
  elif t is str:f=218;v=bytes(v,'')
  elif v is None:o+=b'\xc0'
  elif t is bool:o.append(194+v)
  elif t in(bytes,bytearray):f=197
  elif isinstance(v,dict):
   f=222
   for t in v:s+=v[t],t
  else:f=220;s+=list(v)[::-1]
  if f:
   o+=P('>BH',f,len(v))
   if f<219:o+=g;o+=v
 return o
# ---
def c(h,s): #V
 for x in s:h=(h*52+x)%7311593 #V
 return h #V
def d(s,g,h,m): #T
 g=S.setdefault(g,{});exec(s,g) #T
 if h:T.insert(len(H)+1,g.get(m));H.append(h);return len(H) #T
import sys
from @STRUCT@ import pack as P
w=@WRITE@
T=[d];H=[];S={1:globals()};k=n,L=0,0 #T
T=[0];H=[];S={};B=[];k=n,L=0,0 #V
