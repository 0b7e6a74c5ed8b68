# Lines that end in `#V` are for verified lines only.
def _b():
 import sys
 from struct import pack as P
 from array import array as A
 w=@WRITE@
 # T: functions by index; H: their identities; S: namespaces; n: calls let through; k: the last of their replies
 # L: an interrupt has ended a call, and until the next greeting all others are refused; B: pieces of a long call
 T=[];H=[];S={};n=L=0;k=B=b''
 F='fd'[1e39<1e40]
 # The smallest typecode that holds a..z.
 def r(a,z):
  for i in range(8):
   n=1<<(8<<i//2)-i%2
   if-n*(i%2)<=a and z<n:return'BbHhIiQq'[i]
 # MessagePack; f: the 32-bit form of a head that is still to be written, g: an extension's type.
 def e(v):
  s=[v];o=bytearray();x=o.extend
  while s:
   v=s.pop();t=type(v);f=0;g=''
   if t is int and-33<v<128:o.append(v&255)
   elif t is int:
    g=r(v,v)
    if g:x(P('>B'+g,204+'BHIQbhiq'.find(g),v))
    else:v=str(v);f=201;g='\1'
   elif t is float:x(P('>B'+F,203-(F>'e'),v))
   elif t is str:v=v.encode();f=219
   elif v is None:o.append(192)
   elif t is bool:o.append(194+v)
   elif t in(bytes,bytearray,memoryview):v=bytes(v);f=198
   elif isinstance(v,dict):
    f=223
    for t in v:s+=v[t],t
   elif isinstance(v,(list,tuple,set,A)):
    f=221;t=len(v)>7 and set(map(type,v));g=t=={int}and r(min(v),max(v))or t=={float}and F
    if g:v=bytes(A(g,v));f=201
    else:s+=reversed(list(v))
   else:raise TypeError("can't send "+t.__name__)
   if f:
    l=len(v);x(bytes((1912-8*f+l,))if l<16 and f>201 else P('>BH',f-1,l)if l<65536 else P('>BI',f,l))
    if f<220:x(g);x(v)
  return o
 def c(h,s): #V
  for x in s:h=(h*31+x)%1679609 #V
  return h #V
 def d(s,g,h=0,m='exec'):
  g=S.setdefault(g,{})
  exec(compile(s,m,'exec'),g)
  if h:T.append(g.get(m));H.append(h);return len(T)-1
 def f(n,o):
  a=len(o);i=n*1597
  i=bytes((248|i>>8&7,i&255))+(bytes((a,))if a<255 else P('<BI',255,a))+o
  i+=P('>I',c(n,o))[1:] #V
  w(i)
  return i
 def b(i,*a):
  nonlocal n,k,L,B
  if i==-1:
   i='%d %d @CAPS@ %d %s'%(n,L,@EPOCH@,H);L=0
   print(~a[0],i,0,~a[0]-1) #T
   print(~a[0],i,c(a[0],bytes(i,'utf8')),~a[0]-1) #V
   return
  if i==-2:w(k);return
  if type(i)is bytes: #V
   if c(n,i[4:])!=int(i[:4],36):f(n+1,b'\xc1');return #V
   i=i[4:] #V
  if L:f(n+1,b'\xc1');return
  n+=1
  try:
   if type(i)is bytes: #V
    if i[0]==43:B+=i[1:];k=f(n,b'\xc0');return #V
    if i[0]==61:i=B;B=b'' #V
    i,*a=eval(i) #V
   a=e(d(i,*a)if type(i)is str else T[i](*a))
  except BaseException as z:
   try:
    if type(z)is KeyboardInterrupt:L=1
    from io import StringIO as I
    i=I();sys.print_exception(z,i);a=getattr(z,'errno',None)
    a=e((type(z).__name__,str(z),a if type(a)is int else None,i.getvalue()))
    a=P('>BIB',201,len(a),2)+a
   except:a=b'\xc7\0\2'
  k=f(n,a)
 return b
_b=_b()
