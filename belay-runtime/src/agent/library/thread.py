from _thread import start_new_thread as Y
def thread(i,j,*a):
 if i:
  g=T[i](*a);s=S[j]=[0,1,0]
  def f():
   try:
    for _ in g:
     if s[0]:break
    g.close()
   except BaseException as z:s[2]=z
   s[1]=0
  Y(f,());return
 s=S[j];a,=a
 if a==1:s[0]=1
 if a==2 and s[1]<1 and s[2]:raise s[2]
 return s[1]
